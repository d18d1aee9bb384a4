import { print } from "./table.ts";

/** One program among those that take turns. */
export interface Contender {
  readonly name: string;
  /** Whether it is this project's. */
  readonly isOurs: boolean;
}

export interface Turn<Figure> {
  /** Counted from 1. */
  readonly round: number;
  /** Keeps a figure, also when what is left of the turn fails. */
  readonly add: (figure: Figure) => void;
}

/** Lets programs take turns, so that a busy minute hits all. A rival that fails in its turn loses what is left of it, and is
 * named. Where one of ours fails, that is a defect, and all ends.
 * @param turn measures one program
 * @param say is told who failed and why, in a line
 * @returns those that have figures, in the order in which they were given
 * @throws what one of ours threw */
export async function takeTurns<One extends Contender, Figure>(
  contenders: readonly One[],
  rounds: number,
  turn: (contender: One, turn: Turn<Figure>) => Promise<void>,
  say = print,
): Promise<readonly { readonly contender: One; readonly figures: readonly Figure[] }[]> {
  const results = contenders.map((contender) => ({ contender, figures: [] as Figure[] }));
  for (let round = 1; round <= rounds; round++) {
    for (const { contender, figures } of results) {
      const measured = turn(contender, { round, add: (figure) => figures.push(figure) });
      const nameIt = (cause: unknown) => say(`- ${failure(contender, round, cause)}`);
      await (contender.isOurs ? measured : measured.catch(nameIt));
    }
  }
  return results.filter(({ figures }) => figures.length > 0);
}

function failure({ name }: Contender, round: number, cause: unknown): string {
  const why = cause instanceof Error ? cause.message : String(cause);
  return `${name} failed in round ${round} and has no figures for the rest of it: ${why}`;
}
