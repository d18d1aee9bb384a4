import { Engine } from "../../peer/swarm/engine.ts";
import { TICK_MS } from "../../peer/swarm/engine-options.ts";
import type {
  ConnectionId,
  SwarmEffect,
  SwarmEvent,
  ToldAddress,
} from "../../peer/swarm/messages.ts";
import { type Address, formatAddress } from "../../protocol/address.ts";
import type { Bitfield } from "../../protocol/bitfield.ts";
import type { Geometry, PartIndex, PartRun } from "../../protocol/geometry.ts";
import type { PeerId } from "../../protocol/ids.ts";
import { PEERS_PER_MESSAGE_MAX } from "../../protocol/limits.ts";
import type { Link, LinkEndHolder, Parcel, Piece } from "../support/link.ts";
import { IN_FLIGHT_BYTES_MAX } from "../support/swarm-fixtures.ts";
import { Checker } from "./checker.ts";
import { Line, type LineOwner } from "./line.ts";
import type { PeerTraits } from "./traits.ts";

/** What a peer needs of the world around it. */
export interface World {
  readonly nowMs: number;
  at(atMs: number, happen: () => void): void;
  after(ms: number, happen: () => void): void;
  dial(from: SimPeer, to: Address): void;
  /** @param line made only when it is kept */
  log(line: () => string): void;
  random(): number;
  /** Whether a part is not what its digest says, whoever sends it. */
  isPartWrong(part: number): boolean;
}

/** One peer of a simulation: the real engine, and in place of sockets and disk what its effects would do to them. */
export class SimPeer implements LinkEndHolder, LineOwner {
  readonly name: string;
  readonly address: Address;
  readonly peerId: PeerId;
  readonly engine: Engine;
  readonly checker: Checker;
  /** When the last part was written. */
  /** Links that ended, whoever ended them. */
  cuts = 0;
  completeAtMs: number | undefined;
  /** Addresses it banned. */
  readonly banned = new Set<string>();
  readonly suspects: number[] = [];
  /** Addresses it was connected to. */
  readonly partners = new Set<string>();
  isOnline = true;
  readonly #world: World;
  readonly #geometry: Geometry;
  readonly traits: PeerTraits;
  readonly #links = new Map<ConnectionId, Link>();
  readonly #sending = new Map<ConnectionId, Serving[]>();
  /** Connections on which data waits, as its engine says. */
  readonly #held = new Set<ConnectionId>();
  readonly #uplink: Line;
  /** What others sent and its line has not let in: it lies with them, and is gone with the connection. */
  readonly #downlink: Line;
  /** What came and a limit of its own has not let in. */
  readonly #limitDown: Line | undefined;

  constructor(
    world: World,
    self: { readonly name: string; readonly address: Address; readonly peerId: PeerId },
    options: { readonly geometry: Geometry; readonly have: Bitfield; readonly traits: PeerTraits },
  ) {
    this.#world = world;
    this.name = self.name;
    this.address = self.address;
    this.peerId = self.peerId;
    this.#geometry = options.geometry;
    this.traits = options.traits;
    this.#uplink = new Line(this, {
      bytesPerSecond: options.traits.upBytesPerSecond,
      bufferBytes: options.traits.bufferBytes,
    });
    const { downBytesPerSecond, limitDownBytesPerSecond: limit } = options.traits;
    const take = (connection: ConnectionId, parcel: Parcel) => this.#take(connection, parcel);
    this.#limitDown = limit === undefined ? undefined : this.#lineIn(limit, take);
    this.#downlink = this.#lineIn(downBytesPerSecond, (connection, parcel) => {
      if (this.#limitDown === undefined) this.#take(connection, parcel);
      else this.#limitDown.put(connection, parcel);
    });
    this.checker = new Checker(self.name, options.geometry, options.have);
    if (options.have.isFull) this.completeAtMs = world.nowMs;
    this.engine = new Engine({
      inFlightBytesMax: IN_FLIGHT_BYTES_MAX,
      ...engineOptionsOf(options.traits),
      ...options,
      peerId: self.peerId,
      peersMax: 50,
      random: () => world.random(),
    });
  }

  start(): void {
    if (!this.isOnline) return;
    this.#do({ type: "tick", isHeldBack: this.#limitDown?.isBusy ?? false });
    this.#world.after(TICK_MS, () => this.start());
  }

  learn(addresses: readonly ToldAddress[]): void {
    this.#do({ type: "learned", source: "tracker", addresses });
  }

  dialFailed(address: Address, reason: string): void {
    this.#do({ type: "dialFailed", address, reason });
  }

  /** A link to another peer stands. */
  join(connection: ConnectionId, link: Link, other: SimPeer, isDialled: boolean): void {
    this.#links.set(connection, link);
    const { peerId, address } = other;
    this.partners.add(formatAddress(address));
    this.#do({ type: "joined", connection, peerId, address, isListening: true, isDialled });
  }

  onParcel(connection: ConnectionId, parcel: Parcel): void {
    this.#downlink.put(connection, parcel);
  }

  #lineIn(bytesPerSecond: number, onOut: LineOwner["onOut"]): Line {
    const world = this.#world;
    const owner = {
      get nowMs() {
        return world.nowMs;
      },
      at: (atMs: number, happen: () => void) => world.at(atMs, happen),
      onOut,
      onRoom: () => undefined,
    };
    return new Line(owner, { bytesPerSecond, bufferBytes: Number.POSITIVE_INFINITY });
  }

  #take(connection: ConnectionId, parcel: Parcel): void {
    if (parcel.type === "piece") this.#onPiece(connection, parcel);
    else {
      this.checker.onHear(connection, parcel);
      if (parcel.type === "request" && this.traits.refuses !== "no") {
        const { first, count } = parcel;
        const message = { type: "refuse", first, count, reason: this.traits.refuses } as const;
        this.#send({ type: "send", connection, message });
      } else this.#do({ type: "message", connection, message: parcel });
    }
  }

  onGone(connection: ConnectionId, reason: string): void {
    if (!this.#links.delete(connection)) return;
    this.cuts++;
    this.#sending.delete(connection);
    this.#held.delete(connection);
    this.#uplink.drop(connection);
    this.#downlink.drop(connection);
    this.#limitDown?.drop(connection);
    this.checker.onGone(connection);
    this.#do({ type: "left", connection, reason });
  }

  /** Calls somebody though its engine sees no need. */
  callsEvenWhenComplete(address: Address): void {
    this.#world.dial(this, address);
  }

  /** Tells everybody of these, as often as it may in one message. */
  tellOthers(addresses: readonly Address[]): void {
    for (let at = 0; at < addresses.length; at += PEERS_PER_MESSAGE_MAX) {
      const peers = addresses.slice(at, at + PEERS_PER_MESSAGE_MAX);
      for (const connection of this.#links.keys())
        this.#send({ type: "send", connection, message: { type: "peers", peers } });
    }
  }

  /** Cuts one of its links as a broken line would. */
  cutOne(): void {
    const links = [...this.#links.values()];
    links[Math.floor(this.#world.random() * links.length)]?.close(this, "cut", this.#world.nowMs);
  }

  /** The process is gone, with all its links. */
  vanish(): void {
    this.isOnline = false;
    for (const link of [...this.#links.values()]) link.close(this, "gone", this.#world.nowMs);
  }

  after(ms: number, happen: () => void): void {
    this.#world.after(ms, happen);
  }

  /** The reader of its pipe has taken a run. */
  taken(run: PartRun): void {
    this.#do({ type: "taken", run });
  }

  #onPiece(connection: ConnectionId, piece: Piece): void {
    const { run, bytes } = piece;
    this.#do({ type: "arrived", connection, first: run.first, bytes });
    if (!piece.isLast) return;
    this.checker.onAnswer(connection, run.first);
    const wrong = piece.isWrong ? run.first : this.#wrongPartOf(run);
    if (wrong !== undefined) {
      this.#do({ type: "bad", connection, run, part: wrong });
      this.#links.get(connection)?.close(this, "wrong part", this.#world.nowMs);
      return;
    }
    const isWanted = this.engine.isWanted(run);
    if (isWanted) this.checker.onHeld(run);
    this.#do({ type: "verified", connection, run });
    if (!isWanted) return;
    if (this.traits.pipe !== undefined) {
      this.checker.onWritten(run);
      this.#do({ type: "written", run });
      this.traits.pipe.reader.give(run, this);
      return;
    }
    this.#world.after(this.traits.diskMs, () => {
      if (!this.isOnline) return;
      this.checker.onWritten(run);
      this.#do({ type: "written", run });
    });
  }

  #wrongPartOf(run: PartRun): PartIndex | undefined {
    for (const part of this.#geometry.partsOf(run))
      if (this.#world.isPartWrong(part) || part === this.traits.spoils) return part;
    return undefined;
  }

  #do(event: SwarmEvent): void {
    if (!this.isOnline) return;
    const effects = this.engine.handle(event, this.#world.nowMs);
    if (event.type !== "tick" || effects.length > 0)
      this.#world.log(() => `${this.name} ${JSON.stringify(event)}`);
    for (const effect of effects) this.#carryOut(effect);
  }

  #carryOut(effect: SwarmEffect): void {
    switch (effect.type) {
      case "send":
        this.#send(effect);
        return;
      case "serve":
        this.#serve(effect);
        return;
      case "hold":
        if (effect.isHeld) this.#held.add(effect.connection);
        else {
          this.#held.delete(effect.connection);
          this.onRoom(effect.connection);
        }
        return;
      case "unserve":
        this.#unserve(effect.connection, effect.run);
        return;
      case "close":
        this.#world.after(0, () =>
          this.#links.get(effect.connection)?.close(this, effect.reason, this.#world.nowMs),
        );
        return;
      case "dial":
        this.#world.dial(this, effect.address);
        return;
      case "report":
        if (effect.event === "banned") this.banned.add(formatAddress(effect.address));
        return;
      case "complete":
        this.completeAtMs = this.#world.nowMs;
        return;
      case "suspect":
        this.suspects.push(effect.part);
        return;
      default:
        effect satisfies never;
    }
  }

  #send({ connection, message }: Extract<SwarmEffect, { readonly type: "send" }>): void {
    const link = this.#links.get(connection);
    if (link === undefined) return;
    if (message.type === "bitmap" && this.traits.stalls === "bitmap") return;
    this.checker.onSend(connection, message);
    const said = this.traits.boasts && message.type === "bitmap" ? BOAST : message;
    this.#uplink.put(connection, said);
  }

  #serve({ connection, run, blockBytes }: Extract<SwarmEffect, { type: "serve" }>): void {
    const queue = this.#sending.get(connection) ?? [];
    const isWrong = this.#world.random() < this.traits.lies;
    queue.push({ run, sent: 0, blockBytes: Math.min(blockBytes, BLOCK_BYTES_MAX), isWrong });
    this.#sending.set(connection, queue);
    this.onRoom(connection);
  }

  #unserve(connection: ConnectionId, run: PartRun): void {
    const queue = this.#sending.get(connection) ?? [];
    const at = queue.findIndex((queued) => queued.run.first === run.first);
    if (at < 0 || this.traits.stalls === "mute") return;
    queue.splice(at, 1);
    this.#send({
      type: "send",
      connection,
      message: { type: "refuse", ...run, reason: "cancelled" },
    });
    this.#do({ type: "served", connection, run, bytes: 0 });
  }

  /** The next blocks of what is being sent to it, as far as its buffer takes them. */
  onRoom(connection: ConnectionId): void {
    const queue = this.#sending.get(connection) ?? [];
    for (let job = queue[0]; job !== undefined; job = queue[0]) {
      const { run, isWrong } = job;
      const runBytes = this.#geometry.runRange(run).length;
      const bytes = Math.min(job.blockBytes, runBytes - job.sent);
      if (this.#isStopped(connection, job) || !this.#uplink.hasRoom(connection, bytes)) return;
      job.sent += bytes;
      const isLast = job.sent === runBytes;
      if (isLast) queue.shift();
      this.#uplink.put(connection, { type: "piece", run, bytes, isLast, isWrong });
      this.#do({ type: "sent", connection, bytes });
      if (!isLast) continue;
      this.checker.onAnswered(connection, run.first);
      this.#do({ type: "served", connection, run, bytes: runBytes });
    }
  }

  #isStopped(connection: ConnectionId, job: Serving): boolean {
    const { stalls } = this.traits;
    const isStalled = stalls === "midway" ? job.sent > 0 : stalls !== "no";
    return isStalled || this.#held.has(connection);
  }

  onOut(connection: ConnectionId, parcel: Parcel): void {
    const link = this.#links.get(connection);
    link?.send(this, parcel, this.#world.nowMs + link.latencyMs);
  }

  get nowMs(): number {
    return this.#world.nowMs;
  }

  at(atMs: number, happen: () => void): void {
    this.#world.at(atMs, happen);
  }
}

function engineOptionsOf({ rules, order, pipe, limitDownBytesPerSecond }: PeerTraits) {
  return {
    limitDownBytesPerSecond,
    ...(rules === undefined ? {} : { rules }),
    ...(order === undefined ? {} : { order }),
    ...(pipe === undefined ? {} : { pipe }),
  };
}

/** A run that is being sent. */
interface Serving {
  readonly run: PartRun;
  readonly blockBytes: number;
  readonly isWrong: boolean;
  sent: number;
}

const BLOCK_BYTES_MAX = 64 * 1024;
const BOAST = { type: "bitmap", parts: "all", bits: new Uint8Array(0) } as const;
