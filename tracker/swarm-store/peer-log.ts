import type { Announce } from "./store.ts";

/** What one announce leaves behind: the peer is there as told, or it left, whatever was written of it before. */
export interface LogRow extends Pick<Announce, "swarm" | "host" | "port" | "zone" | "peer"> {
  /** Whether it has every part; undefined when it left. */
  readonly complete: boolean | undefined;
  /** Until when the row says so, at least: milliseconds since 1970. */
  readonly expires: number;
}

/** A row that was read, and its place in the log. */
export interface NumberedRow extends Omit<LogRow, "peer"> {
  readonly seq: number;
  /** The key of the peer id (name-key.ts); 0 when there is none. */
  readonly peer: number;
}

/** The announces of a store in the order of their commits, shared by the processes of one machine. Rows that a later one
 * made worthless stay until they are erased.
 *
 * Calls are done one after the other, in their order. */
export interface PeerLog extends AsyncDisposable {
  /** Whether other processes may write to it. */
  readonly isShared: boolean;
  /** @returns how many rows there are, or more
   * @throws {StoreError} */
  span(): Promise<number>;
  /** Commits the rows, all or none.
   * @param rows at least one
   * @returns the place of the first; the others follow it without a gap
   * @throws {StoreError} */
  append(rows: readonly LogRow[]): Promise<number>;
  /** Forgets rows.
   * @throws {StoreError} */
  erase(seqs: readonly number[]): Promise<void>;
  /** Reads on, at first from the beginning, passing over what was appended here.
   * @returns the next rows in order, a bounded piece; none when there are no more at present
   * @throws {StoreError} */
  read(): Promise<readonly NumberedRow[]>;
}

/** Keeps nothing. */
export function createEmptyLog(): PeerLog {
  let next = 1;
  return {
    isShared: false,
    span: async () => 0,
    append: async (rows) => {
      const first = next;
      next += rows.length;
      return first;
    },
    erase: async () => {},
    read: async () => [],
    [Symbol.asyncDispose]: async () => {},
  };
}
