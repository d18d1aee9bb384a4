import type { Started } from "../client.ts";
import type { Protocol } from "../load/requests.ts";

/** What a tracker's bench needs of a tracker, ours or another's. */

export interface RunningTracker extends Started {
  readonly port: number;
}

export interface Tracker {
  readonly name: string;
  readonly protocol: Protocol;
  /** Whether a connection may carry more than one request. */
  readonly keepsConnections: boolean;
  /** What an answer says about the announce. */
  readonly promise: string;
  /** @returns undefined when it is not installed here */
  version(): Promise<string | undefined>;
  /** Starts it and waits until it answers.
   * @param directory for what it writes; ours goes on with the database that is there
   * @param swarms how many there will be, from number 0: some want to know them beforehand */
  start(directory: string, swarms: number): Promise<RunningTracker>;
}
