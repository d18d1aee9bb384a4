import type { AnnounceEvent } from "../protocol/announce.ts";

/** What can be seen of a running tracker, and who looks. Nobody here learns a swarm's hash or a peer's address. */

/** A request that was answered, well or not. */
export interface Answered {
  /** The path of a call of the API, or `other`: never what a caller made up. */
  readonly route: string;
  readonly status: number;
  /** From the request's head to the answer's, in milliseconds. */
  readonly ms: number;
}

/** Announces that the store committed as one. */
export interface Commit {
  /** How long the database took, in milliseconds. */
  readonly ms: number;
  /** How many went down together. */
  readonly announces: number;
  /** How many came meanwhile and wait for the next. */
  readonly waiting: number;
  readonly succeeded: boolean;
}

/** Carries a commit out and takes its time.
 * @returns what it gave; rejects as it does */
export type TimeCommit = <Result>(
  group: {
    readonly announces: number;
    /** Asked when the commit is done. */
    readonly waiting: () => number;
  },
  commit: () => Promise<Result>,
) => Promise<Result>;

/** Counts what happens. Each call costs well below a microsecond. */
export interface Meter {
  began(): void;
  answered(answered: Answered): void;
  /** @param code as in the answer's `code` */
  refused(code: string): void;
  /** An announce was taken in. */
  announced(event: AnnounceEvent | undefined): void;
  committed(commit: Commit): void;
}

/** Monotonic time in milliseconds and parts of them; its zero means nothing. */
export type Stopwatch = () => number;
