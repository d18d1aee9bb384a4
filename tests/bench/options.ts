import type { RecordTransfers } from "./results.ts";

/** What the command line asks for. What is undefined is each scenario's own choice, smaller when it is quick. */
export interface BenchOptions {
  readonly isQuick: boolean;
  readonly rounds: number | undefined;
  readonly sizesMib: readonly number[] | undefined;
  readonly leechers: readonly number[] | undefined;
  /** Torrents served by one process. */
  readonly torrents: readonly number[] | undefined;
  /** Peers that a tracker knows. */
  readonly peers: readonly number[] | undefined;
  readonly partBytes: number | undefined;
  /** Names of programs; empty for all. */
  readonly clients: readonly string[];
  /** Keeps figures as data, where the command line asks for that. */
  readonly record: RecordTransfers;
}

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** @param own what the scenario does by itself
 * @returns how often to measure */
export function roundsOf(options: BenchOptions, own: number): number {
  return options.rounds ?? (options.isQuick ? 1 : own);
}

/** @returns sizes in MiB */
export function sizesOf(
  options: BenchOptions,
  own: { readonly quick: readonly number[]; readonly full: readonly number[] },
): readonly number[] {
  return options.sizesMib ?? (options.isQuick ? own.quick : own.full);
}
