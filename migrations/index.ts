import { InvariantError } from "../protocol/errors.ts";
import init from "./0000_init.sql" with { type: "text" };
import log from "./0001_log.sql" with { type: "text" };
import verified from "./0002_verified.sql" with { type: "text" };
import census from "./0003_census.sql" with { type: "text" };
import journal from "./meta/_journal.json" with { type: "json" };

/** One step of the database's schema. */
export interface Migration {
  /** The file's name without its ending. */
  readonly tag: string;
  /** When it was made, milliseconds since 1970: the order of the steps. */
  readonly when: number;
  /** Statements, divided by `--> statement-breakpoint`. */
  readonly sql: string;
}

const TEXTS: Readonly<Record<string, string>> = {
  "0000_init": init,
  "0001_log": log,
  "0002_verified": verified,
  "0003_census": census,
};

/** Every step in order, as text inside the program, so that an executable needs no files beside it. */
export const MIGRATIONS: readonly Migration[] = journal.entries.map(({ tag, when }) => ({
  tag,
  when,
  sql: TEXTS[tag] ?? missing(tag),
}));

function missing(tag: string): never {
  throw new InvariantError(
    `Cannot load migration ${tag}: it is in the journal, but not in migrations/index.ts`,
  );
}
