import { ProtocolError } from "./errors.ts";
import type { FrameItem } from "./frame.ts";
import type { Geometry } from "./geometry.ts";

/** What may be said after the proof: bitmap first and once, or nothing but a goodbye, and only parts that exist. One for each
 * direction. */
export class Conversation {
  readonly #geometry: Geometry;
  #hasBitmap = false;

  constructor(geometry: Geometry) {
    this.#geometry = geometry;
  }

  /** @throws {ProtocolError} bad_order (not bitmap first and once, or a handshake message), bad_message (no such parts) */
  check(item: FrameItem): void {
    if (item.type === "payload") return;
    const message = item.type === "data" ? item.data : item.message;
    const isBitmap = message.type === "bitmap";
    // Who has no place for us says so, and nothing else.
    if (message.type === "bye") return;
    if (message.type === "hello" || message.type === "proof" || isBitmap === this.#hasBitmap) {
      throw new ProtocolError(
        "bad_order",
        `Cannot take ${message.type}: the bitmap comes first and once`,
      );
    }
    this.#hasBitmap = true;
    if ("first" in message && !this.#exists(message)) {
      throw new ProtocolError(
        "bad_message",
        `Cannot take ${message.type}: no such parts in this torrent`,
      );
    }
  }

  #exists(message: {
    readonly type: string;
    readonly first: number;
    readonly count?: number;
  }): boolean {
    const run = this.#geometry.run(message.first, message.count ?? 1);
    if (run === undefined) return false;
    return message.type !== "request" || this.#geometry.isAskable(run);
  }
}
