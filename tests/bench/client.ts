import type { Address } from "../../protocol/address.ts";

/** What a transfer bench needs of a program that moves files, ours or another's. */

/** Where a program runs. */
export interface Place {
  readonly host: string;
  /** What its command begins with. */
  readonly enter: readonly string[];
}

/** A network with a tracker in its middle. */
export interface Net {
  /** Where the tracker is, for all. */
  readonly hubHost: string;
  /** @param node 0 is the seeder, leechers are counted from 1 */
  place(node: number): Place;
}

/** A place to work in, and the file to be moved. */
export interface Scene {
  /** Empty at the start, removed at the end. */
  readonly directory: string;
  /** The file that the seeder has. */
  readonly file: string;
  readonly fileBytes: number;
  /** Bytes a part is to have. */
  readonly partBytes: number;
  /** Makes a way to the seeder, who listens there: downloaders find him at its other end. Without it they come straight. */
  readonly layWay?: (seeder: Address) => Promise<Address>;
  /** Where the programs run; all on loopback without it. This project and libtorrent heed it, the others do not. */
  readonly net?: Net;
}

/** A process that was started. */
export interface Started {
  readonly pid: number;
  /** Resolves when it is over, with how it ended: a signal's name, or its exit code. */
  readonly exited: Promise<string>;
  stop(): Promise<void>;
}

export interface Leecher extends Started {
  /** Resolves when the file is there, complete and verified as far as the program does that. */
  readonly done: Promise<void>;
  /** Where the file is then. */
  readonly target: string;
}

/** A seeder that is ready to be asked. */
export interface Swarm {
  readonly seeder: Started;
  /** Starts the n-th leecher, counted from 1. */
  startLeecher(n: number): Leecher;
  stop(): Promise<void>;
}

export interface Client {
  readonly name: string;
  /** How it was set up, for the table's reader. */
  readonly settings: string;
  /** @returns undefined when it is not installed here */
  version(): Promise<string | undefined>;
  start(scene: Scene): Promise<Swarm>;
}
