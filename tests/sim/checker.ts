import type { ConnectionId } from "../../peer/swarm/messages.ts";
import { Bitfield } from "../../protocol/bitfield.ts";
import type { Geometry, PartRun } from "../../protocol/geometry.ts";
import { REQUESTS_OPEN_MAX } from "../../protocol/limits.ts";
import type { ControlMessage } from "../../protocol/messages.ts";
import { IN_FLIGHT_BYTES_MAX } from "../support/swarm-fixtures.ts";

/** What one peer may never do, watched from outside: it keeps its own books and believes nothing the engine says. */
export class Checker {
  readonly #name: string;
  readonly #geometry: Geometry;
  readonly #have: Bitfield;
  /** Requests without an answer yet, by connection and first part. */
  readonly #open = new Map<ConnectionId, Map<number, { run: PartRun; isCancelled: boolean }>>();
  readonly #offered = new Map<ConnectionId, Bitfield>();
  /** Requests of others that we have not answered. */
  readonly #serving = new Map<ConnectionId, Set<number>>();
  #heldBytes = 0;
  requests = 0;
  cancels = 0;

  constructor(name: string, geometry: Geometry, have: Bitfield) {
    this.#name = name;
    this.#geometry = geometry;
    this.#have = have.copy();
  }

  /** The peer says something. */
  onSend(connection: ConnectionId, message: ControlMessage): void {
    if (message.type === "request") this.#onRequest(connection, message.first, message.count);
    else if (message.type === "cancel") {
      const request = this.#open.get(connection)?.get(message.first);
      this.#must(request?.isCancelled === false, `takes back an open request ${message.first}`);
      if (request !== undefined) request.isCancelled = true;
      this.cancels++;
    } else if (message.type === "refuse") this.onAnswered(connection, message.first);
  }

  /** The peer is told something. */
  onHear(connection: ConnectionId, message: ControlMessage): void {
    if (message.type === "bitmap") this.#offered.set(connection, this.#parse(message));
    else if (message.type === "have") {
      const offered = this.#offered.get(connection);
      for (let at = 0; at < message.count; at++) offered?.set(message.first + at);
    } else if (message.type === "refuse") this.onAnswer(connection, message.first);
    else if (message.type === "request") {
      const serving = this.#serving.get(connection) ?? new Set();
      this.#serving.set(connection, serving.add(message.first));
    }
  }

  /** A request of ours has its answer, by data or by refuse: exactly one. */
  onAnswer(connection: ConnectionId, first: number): void {
    const request = this.#open.get(connection)?.get(first);
    this.#must(request !== undefined, `gets an answer to an open request ${first}`);
    this.#open.get(connection)?.delete(first);
    if (request !== undefined) this.#heldBytes -= this.#geometry.runRange(request.run).length;
  }

  /** A request of the other end has its answer from us: exactly one. */
  onAnswered(connection: ConnectionId, first: number): void {
    const wasOpen = this.#serving.get(connection)?.delete(first);
    this.#must(wasOpen === true, `answers an open request ${first}`);
  }

  /** What came is right and waits for the disk. */
  onHeld(run: PartRun): void {
    this.#heldBytes += this.#geometry.runRange(run).length;
    this.#checkHeld();
  }

  onWritten(run: PartRun): void {
    this.#heldBytes -= this.#geometry.runRange(run).length;
    for (const part of this.#geometry.partsOf(run)) this.#have.set(part);
  }

  onGone(connection: ConnectionId): void {
    for (const { run } of this.#open.get(connection)?.values() ?? [])
      this.#heldBytes -= this.#geometry.runRange(run).length;
    this.#open.delete(connection);
    this.#offered.delete(connection);
    this.#serving.delete(connection);
  }

  #onRequest(connection: ConnectionId, first: number, count: number): void {
    const run = this.#geometry.run(first, count);
    const open = this.#open.get(connection) ?? new Map();
    this.#must(
      run !== undefined && this.#geometry.isAskable(run),
      "asks for a run that is askable",
    );
    if (run === undefined) return;
    this.#must(!open.has(first), `asks for ${first} once`);
    this.#must(open.size < REQUESTS_OPEN_MAX, "asks for no more than is allowed");
    for (const part of this.#geometry.partsOf(run)) {
      this.#must(!this.#have.has(part), `asks for what it has not: ${part}`);
      const offered = this.#offered.get(connection)?.has(part);
      this.#must(offered === true, `asks for what was offered: ${part}`);
      this.#must(!this.#isAskedOfAnyone(part), `asks one peer at a time for ${part}`);
    }
    this.#open.set(connection, open.set(first, { run, isCancelled: false }));
    this.requests++;
    this.#heldBytes += this.#geometry.runRange(run).length;
    this.#checkHeld();
  }

  #isAskedOfAnyone(part: number): boolean {
    for (const open of this.#open.values()) {
      for (const { run, isCancelled } of open.values())
        if (!isCancelled && part >= run.first && part < run.first + run.count) return true;
    }
    return false;
  }

  #parse(message: Extract<ControlMessage, { readonly type: "bitmap" }>): Bitfield {
    const { partCount } = this.#geometry;
    if (message.parts === "all") return Bitfield.full(partCount);
    return Bitfield.parse(partCount, message.bits) ?? new Bitfield(partCount);
  }

  #checkHeld(): void {
    this.#must(this.#heldBytes <= IN_FLIGHT_BYTES_MAX, `holds ${this.#heldBytes} bytes`);
  }

  #must(isSo: boolean, what: string): void {
    if (!isSo) throw new Error(`Invariant broken: ${this.#name} ${what}`);
  }
}
