import type { Bitfield } from "../../protocol/bitfield.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import type { Geometry, PartRun } from "../../protocol/geometry.ts";
import { REQUESTS_OPEN_MAX } from "../../protocol/limits.ts";
import type { CancelMessage, RequestMessage } from "../../protocol/messages.ts";
import type { ConnectedPeer } from "./connected-peer.ts";
import type { SwarmEffect } from "./messages.ts";

/** What others ask of us: each request is answered once, with its data or with a refusal. */
export class Serving {
  readonly #geometry: Geometry;
  readonly #have: Bitfield;
  #bytesServed = 0;

  /** @param have the parts that can be served; changes as they come */
  constructor(geometry: Geometry, have: Bitfield) {
    this.#geometry = geometry;
    this.#have = have;
  }

  get bytesServed(): number {
    return this.#bytesServed;
  }

  /** @throws {ProtocolError} too_many_requests, bad_order (the same request twice) */
  onRequest(peer: ConnectedPeer, message: RequestMessage): SwarmEffect {
    if (peer.serving.size >= REQUESTS_OPEN_MAX) {
      throw new ProtocolError(
        "too_many_requests",
        `Cannot serve: more than ${REQUESTS_OPEN_MAX} requests open`,
      );
    }
    if (peer.serving.has(message.first))
      throw new ProtocolError("bad_order", "Cannot serve: the run is requested already");
    const run = this.#geometry.run(message.first, message.count);
    const { connection } = peer;
    if (run === undefined || !this.#hasAll(run)) {
      const { first, count } = message;
      return {
        type: "send",
        connection,
        message: { type: "refuse", first, count, reason: "missing" },
      };
    }
    peer.serving.set(run.first, run.count);
    return { type: "serve", connection, run };
  }

  /** The remote takes a request back; one that was answered meanwhile is no fault of either. */
  *onCancel(peer: ConnectedPeer, message: CancelMessage): Generator<SwarmEffect> {
    const run = this.#geometry.run(message.first, message.count);
    if (run === undefined || peer.serving.get(run.first) !== run.count) return;
    yield { type: "unserve", connection: peer.connection, run };
  }

  onServed(peer: ConnectedPeer, run: PartRun, bytes: number): void {
    peer.serving.delete(run.first);
    this.#bytesServed += bytes;
  }

  #hasAll(run: PartRun): boolean {
    const gap = this.#have.next(false, run.first);
    return gap === undefined || gap >= run.first + run.count;
  }
}
