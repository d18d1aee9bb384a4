import type { PartOrder } from "../../peer/swarm/engine-options.ts";
import type { Rules } from "../../peer/swarm/rules.ts";
import type { Reader } from "./reader.ts";

/** What a peer is like. Rates are bytes a second. */
export interface PeerTraits {
  readonly upBytesPerSecond: number;
  readonly downBytesPerSecond: number;
  /** What a limit of its own lets in over all connections; undefined: it has none. */
  readonly limitDownBytesPerSecond: number | undefined;
  /** What its kernel takes of each connection before it is out; one block in any case. */
  readonly bufferBytes: number;
  readonly diskMs: number;
  /** Whether others reach it when they call; if not, they find out after CONNECT_MS. */
  readonly isDialable: boolean;
  /** Peers of one uuid that hold different torrents shut each other out. */
  readonly torrent: string;
  /** Chance that a run it sends is wrong. */
  readonly lies: number;
  /** A part that this machine's memory spoils, whoever sent it. */
  readonly spoils: number | undefined;
  /** Where it falls silent: it takes the call and never says hello; says hello and no bitmap; takes requests and sends
   * nothing (`mute` does not even say that it refuses what is taken back); sends the first block and no more. */
  readonly stalls: "no" | "hello" | "bitmap" | "polite" | "mute" | "midway";
  /** Says that it has everything, whatever it has. */
  readonly boasts: boolean;
  /** Answers every request with this. */
  readonly refuses: "no" | "busy" | "missing";
  readonly rules: Rules | undefined;
  readonly order: PartOrder | undefined;
  /** It downloads into a pipe, and this is who reads it, with places for so many runs. */
  readonly pipe?: { readonly places: number; readonly reader: Reader };
}

export const HONEST: PeerTraits = {
  upBytesPerSecond: 10 * 2 ** 20,
  downBytesPerSecond: 100 * 2 ** 20,
  limitDownBytesPerSecond: undefined,
  bufferBytes: 0,
  diskMs: 2,
  isDialable: true,
  torrent: "this",
  lies: 0,
  spoils: undefined,
  stalls: "no",
  boasts: false,
  refuses: "no",
  rules: undefined,
  order: undefined,
};
