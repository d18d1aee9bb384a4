import type { ConnectionId } from "../../peer/swarm/messages.ts";
import { RULES } from "../../peer/swarm/rules.ts";
import { Bitfield } from "../../protocol/bitfield.ts";
import type { Geometry, PartRun } from "../../protocol/geometry.ts";
import { REQUESTS_OPEN_MAX } from "../../protocol/limits.ts";
import type { ControlMessage } from "../../protocol/messages.ts";
import { IN_FLIGHT_BYTES_MAX } from "../support/swarm-fixtures.ts";

/** A request as seen from outside. */
interface Asked {
  readonly run: PartRun;
  isCancelled: boolean;
}

/** What one peer may never do, watched from outside: it keeps its own books and believes nothing the engine says. */
export class Checker {
  readonly #name: string;
  readonly #geometry: Geometry;
  readonly #have: Bitfield;
  /** Requests without an answer yet, by connection and first part. */
  readonly #open = new Map<ConnectionId, Map<number, Asked>>();
  /** Of how many each part is asked now. */
  readonly #copies: Uint8Array;
  /** Parts that are had, asked for, or came and wait for the disk. */
  readonly #claims: Uint8Array;
  #unclaimed: number;
  readonly #offered = new Map<ConnectionId, Bitfield>();
  /** Requests of others that we have not answered. */
  readonly #serving = new Map<ConnectionId, Set<number>>();
  #heldBytes = 0;
  requests = 0;
  cancels = 0;
  /** Requests for what another was asked for, too. */
  duplicates = 0;

  constructor(name: string, geometry: Geometry, have: Bitfield) {
    this.#name = name;
    this.#geometry = geometry;
    this.#have = have.copy();
    this.#copies = new Uint8Array(geometry.partCount);
    this.#claims = new Uint8Array(geometry.partCount);
    this.#unclaimed = geometry.partCount;
    for (const part of geometry.parts()) if (have.has(part)) this.#claim(part, 1);
  }

  /** The peer says something. */
  onSend(connection: ConnectionId, message: ControlMessage): void {
    if (message.type === "request") this.#onRequest(connection, message.first, message.count);
    else if (message.type === "cancel") {
      const request = this.#open.get(connection)?.get(message.first);
      this.#must(request?.isCancelled === false, `takes back an open request ${message.first}`);
      if (request !== undefined) this.#count(request.run, -1);
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
    if (request !== undefined) this.#forget(request);
  }

  /** A request of the other end has its answer from us: exactly one. */
  onAnswered(connection: ConnectionId, first: number): void {
    const wasOpen = this.#serving.get(connection)?.delete(first);
    this.#must(wasOpen === true, `answers an open request ${first}`);
  }

  /** What came is right and waits for the disk. */
  onHeld(run: PartRun): void {
    this.#heldBytes += this.#geometry.runRange(run).length;
    for (const part of this.#geometry.partsOf(run)) this.#claim(part, 1);
    this.#checkHeld();
  }

  onWritten(run: PartRun): void {
    this.#heldBytes -= this.#geometry.runRange(run).length;
    for (const part of this.#geometry.partsOf(run)) {
      if (!this.#have.set(part)) this.#claim(part, -1);
    }
  }

  onGone(connection: ConnectionId): void {
    for (const request of this.#open.get(connection)?.values() ?? []) this.#forget(request);
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
      const copies = this.#copies[part] ?? 0;
      this.#must(copies <= RULES.duplicatesMax, `asks not too many for ${part}`);
      const isAnother = (this.#claims[part] ?? 0) > 0;
      this.#must(!isAnother || this.#unclaimed === 0, `asks one at a time before the end: ${part}`);
    }
    if ((this.#copies[run.first] ?? 0) > 0) this.duplicates++;
    this.#count(run, 1);
    this.#open.set(connection, open.set(first, { run, isCancelled: false }));
    this.requests++;
    this.#heldBytes += this.#geometry.runRange(run).length;
    this.#checkHeld();
  }

  #forget({ run, isCancelled }: Asked): void {
    this.#heldBytes -= this.#geometry.runRange(run).length;
    if (!isCancelled) this.#count(run, -1);
  }

  #count(run: PartRun, change: 1 | -1): void {
    for (const part of this.#geometry.partsOf(run)) {
      this.#copies[part] = (this.#copies[part] ?? 0) + change;
      this.#claim(part, change);
    }
  }

  #claim(part: number, change: 1 | -1): void {
    const before = this.#claims[part] ?? 0;
    this.#claims[part] = before + change;
    if (before === 0) this.#unclaimed--;
    else if (before + change === 0) this.#unclaimed++;
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
