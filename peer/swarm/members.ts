import { Bitfield } from "../../protocol/bitfield.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import type { Geometry, PartIndex, PartRun } from "../../protocol/geometry.ts";
import type { PeerId } from "../../protocol/ids.ts";
import type { BitmapMessage, PeersMessage } from "../../protocol/messages.ts";
import { AddressBook } from "./address-book.ts";
import { type ConnectedPeer, createConnectedPeer } from "./connected-peer.ts";
import type { ConnectionId, SwarmEffect, SwarmEvent } from "./messages.ts";
import type { Picker } from "./picker.ts";
import type { Rules } from "./rules.ts";

type Joined = Extract<SwarmEvent, { readonly type: "joined" }>;

/** Who is connected, what each of them has, and who is to be dialled or banned. */
export class Members {
  readonly peers = new Map<ConnectionId, ConnectedPeer>();
  readonly book: AddressBook;
  readonly #geometry: Geometry;
  readonly #picker: Picker;
  readonly #self: {
    readonly peerId: PeerId;
    readonly peersMax: number;
    readonly offered: Bitfield;
    readonly rules: Rules;
  };

  constructor(
    geometry: Geometry,
    picker: Picker,
    self: {
      readonly peerId: PeerId;
      readonly peersMax: number;
      /** Parts that others may ask us for; follows what comes. */
      readonly offered: Bitfield;
      readonly rules: Rules;
      readonly random: () => number;
    },
  ) {
    this.#geometry = geometry;
    this.#picker = picker;
    this.#self = self;
    this.book = new AddressBook(self.random);
  }

  /** Connected peers that have a part we miss, and do not sit on what they were asked for. */
  get sources(): number {
    let count = 0;
    for (const peer of this.peers.values()) if (!peer.isSilent && this.#hasNews(peer)) count++;
    return count;
  }

  /** Whether more peers should be looked for. */
  get isHungry(): boolean {
    return !this.#picker.have.isFull && this.sources < SOURCES_WANTED;
  }

  /** Takes a new connection in, or says why not.
   * @param depthBytes what it may be asked for at first */
  *join(event: Joined, depthBytes: number, nowMs: number): Generator<SwarmEffect> {
    const { connection, address } = event;
    const twin = [...this.peers.values()].find(
      (peer) => peer.peerId === event.peerId && !peer.isLeaving,
    );
    const idle = twin === undefined ? this.#idlest(nowMs) : undefined;
    const reason = this.#whyUnwelcome(event, { twin, idle });
    if (reason !== undefined) {
      if (event.isDialled) this.book.onDuplicate(address, nowMs);
      yield { type: "close", connection, reason };
      return;
    }
    if (twin !== undefined) yield { type: "close", connection: twin.connection, reason: TWICE };
    if (idle !== undefined) {
      const why = "it asks for nothing, and others wait";
      yield { type: "close", connection: idle.connection, reason: why };
    }
    const { partCount } = this.#geometry;
    this.peers.set(connection, createConnectedPeer(event, { partCount, depthBytes, nowMs }));
    if (event.isListening || event.isDialled) this.book.onJoined(address, connection, nowMs);
    yield { type: "send", connection, message: toBitmap(this.#self.offered) };
    yield { type: "report", event: "joined", address };
  }

  /** The connection is being closed: nothing is asked of it any more. */
  onClosing(connection: ConnectionId): void {
    const peer = this.peers.get(connection);
    if (peer !== undefined) peer.isLeaving = true;
  }

  /** @returns whether a connected peer has the part */
  hasHolder(part: PartIndex): boolean {
    for (const peer of this.peers.values()) if (!peer.isLeaving && peer.bits.has(part)) return true;
    return false;
  }

  /** Takes a gone connection out. */
  *leave(peer: ConnectedPeer, reason: string, nowMs: number): Generator<SwarmEffect> {
    this.peers.delete(peer.connection);
    this.#countSpans(peer, "left");
    this.book.onLeft(peer.address, peer.connection, reason, nowMs);
    yield { type: "report", event: "left", address: peer.address, reason };
  }

  /** Never again in this swarm. */
  *ban(peer: ConnectedPeer, reason: string): Generator<SwarmEffect> {
    this.book.ban(peer.address, reason);
    yield { type: "report", event: "banned", address: peer.address, reason };
    yield { type: "close", connection: peer.connection, reason };
  }

  /** It tells us of others. */
  onPeers(peer: ConnectedPeer, { peers }: PeersMessage): void {
    const room = ADDRESSES_PER_TELLER_MAX - peer.addressesTold;
    peer.addressesTold += peers.length;
    this.book.learn(peers.slice(0, Math.max(0, room)), "exchange", peer.remoteHost);
  }

  /** Dials as many as are missing, within the address book's budgets; some room is left to those who call us, unless sources
   * are missing. */
  *dial(nowMs: number): Generator<SwarmEffect> {
    if (this.#picker.have.isFull) return;
    const { peersMax } = this.#self;
    const wanted = this.isHungry ? peersMax : Math.ceil(peersMax * DIALLED_SHARE);
    while (this.peers.size + this.book.dialling < wanted) {
      const address = this.book.next(nowMs);
      if (address === undefined) return;
      yield { type: "dial", address };
    }
  }

  /** While sources are missing and all places are taken, one that gives nothing loses its place. */
  *makeRoom(nowMs: number): Generator<SwarmEffect> {
    const isFull = this.peers.size + this.book.dialling >= this.#self.peersMax;
    if (!isFull || !this.isHungry || !this.book.hasDue(nowMs)) return;
    for (const peer of this.peers.values()) {
      const isGivenUp = peer.isSilent && nowMs - peer.joinedAtMs > this.#self.rules.giveUpMs;
      if (!isGivenUp || peer.isLeaving) continue;
      yield { type: "close", connection: peer.connection, reason: "it gives nothing" };
      return;
    }
  }

  /** Who has nothing for long gives its place to others, when there is none left: for a pipe, which has nothing for it
   * either. Two pipes would keep each other from their sources. */
  *closeEmpty(nowMs: number): Generator<SwarmEffect> {
    if (this.peers.size < this.#self.peersMax) return;
    for (const peer of this.peers.values()) {
      // It was never asked for anything: since then it has been here.
      const isEmpty = peer.bits.isEmpty && nowMs - peer.dataAtMs > EMPTY_MS_MAX;
      if (!isEmpty || peer.isLeaving) continue;
      yield { type: "close", connection: peer.connection, reason: "it has nothing" };
    }
  }

  /** @throws {ProtocolError} bad_message: the bits do not fit the torrent */
  *onBitmap(peer: ConnectedPeer, message: BitmapMessage): Generator<SwarmEffect> {
    peer.bits = parseBitmap(message, this.#geometry.partCount);
    peer.isSeed = peer.bits.isFull;
    this.#countSpans(peer, "joined");
    yield* this.closeIfUseless(peer);
  }

  *onHave(peer: ConnectedPeer, run: PartRun): Generator<SwarmEffect> {
    if (peer.bits.isFull) return;
    for (const span of this.#geometry.spansOf(run)) {
      const wasCovered = this.#picker.coversSpan(peer.bits, span);
      const spanRun = this.#geometry.spanRun(span);
      const end = Math.min(run.first + run.count, spanRun.first + spanRun.count);
      const first = Math.max(run.first, spanRun.first);
      peer.bits.setRun(first, end - first);
      if (!wasCovered && this.#picker.coversSpan(peer.bits, span))
        this.#picker.countHolder(span, "joined");
    }
    yield* this.closeIfUseless(peer);
  }

  /** We have the run now: whoever has not got it is told. */
  *tell(run: PartRun): Generator<SwarmEffect> {
    if (this.#picker.isWindowed) return;
    for (const peer of this.peers.values()) {
      if (this.#picker.holds(peer.bits, run)) continue;
      yield { type: "send", connection: peer.connection, message: { type: "have", ...run } };
    }
  }

  /** We have everything: those that were not told of all are, so that each can see when both have nothing to say. */
  *tellAll(): Generator<SwarmEffect> {
    const all = this.#geometry.run(0, this.#geometry.partCount);
    if (all === undefined || this.#picker.isWindowed) return;
    for (const peer of this.peers.values()) {
      if (peer.bits.isFull) continue;
      yield { type: "send", connection: peer.connection, message: { type: "have", ...all } };
    }
  }

  /** It said it had the parts and has not: they are not asked of it again. */
  forget(peer: ConnectedPeer, first: number, count: number): void {
    if (peer.isSeed) this.#becomeCounted(peer);
    for (let part = first; part < first + count; part++) {
      const index = this.#geometry.part(part);
      if (index === undefined || !peer.bits.has(index)) continue;
      const span = this.#geometry.spanOf(index);
      if (this.#picker.coversSpan(peer.bits, span)) this.#picker.countHolder(span, "left");
      peer.bits.clear(index);
    }
  }

  /** Two complete peers have nothing to say to each other. */
  *closeIfUseless(peer: ConnectedPeer): Generator<SwarmEffect> {
    if (!this.#picker.have.isFull || !peer.bits.isFull) return;
    yield { type: "close", connection: peer.connection, reason: "both complete" };
  }

  #whyUnwelcome(
    event: Joined,
    others: { readonly twin: ConnectedPeer | undefined; readonly idle: ConnectedPeer | undefined },
  ): string | undefined {
    const { twin, idle } = others;
    if (this.book.isBanned(event.address)) return "banned";
    if (twin !== undefined) return this.#replaces(event, twin) ? undefined : TWICE;
    return idle !== undefined || this.#hasPlaceFor(event) ? undefined : "no place left";
  }

  /** Whose place another gets when we have everything and all places are taken: who has not asked for anything for longest.
   * @returns undefined where there is a place, or everybody asks */
  #idlest(nowMs: number): ConnectedPeer | undefined {
    if (!this.#picker.have.isFull || this.peers.size < this.#self.peersMax) return undefined;
    let idlest: ConnectedPeer | undefined;
    for (const peer of this.peers.values()) {
      if (peer.isLeaving || nowMs - peer.wantedAtMs < IDLE_MS) continue;
      if (idlest === undefined || peer.wantedAtMs < idlest.wantedAtMs) idlest = peer;
    }
    return idlest;
  }

  /** While we want something, callers do not get all places: whoever calls us first, and most often, would decide whom we
   * hear of. */
  #hasPlaceFor(event: Joined): boolean {
    const { peersMax } = this.#self;
    if (this.peers.size >= peersMax) return false;
    if (event.isDialled || this.#picker.have.isFull) return true;
    let callers = 0;
    for (const peer of this.peers.values()) if (!peer.isDialled) callers++;
    return callers < Math.ceil(peersMax * this.#self.rules.callersShare);
  }

  /** Of two connections made at the same time from both ends, both ends keep the one that the smaller id dialled. */
  #replaces(event: Joined, twin: ConnectedPeer): boolean {
    if (event.isDialled === twin.isDialled) return false;
    return event.isDialled === this.#self.peerId < event.peerId;
  }

  #hasNews(peer: ConnectedPeer): boolean {
    if (peer.bits.isFull) return !this.#picker.have.isFull;
    for (const [first, count] of peer.bits.runs(true)) {
      const missing = this.#picker.have.next(false, first);
      if (missing !== undefined && missing < first + count) return true;
    }
    return false;
  }

  /** Peers that have everything make nothing rarer: they are left out of the count. */
  #countSpans(peer: ConnectedPeer, change: "joined" | "left"): void {
    if (peer.isSeed || peer.bits.isEmpty) return;
    for (const span of this.#geometry.spans()) {
      if (this.#picker.coversSpan(peer.bits, span)) this.#picker.countHolder(span, change);
    }
  }

  #becomeCounted(peer: ConnectedPeer): void {
    peer.isSeed = false;
    this.#countSpans(peer, "joined");
  }
}

const TWICE = "connected twice";
const EMPTY_MS_MAX = 20_000;
/** Of a source that has no place left, one that asks for nothing for so long gives his to others. */
const IDLE_MS = 60_000;
/** With fewer peers that have something for us, more are looked for. */
const SOURCES_WANTED = 5;
/** With so many of all places taken, nobody more is dialled unless sources are missing. */
const DIALLED_SHARE = 0.6;
/** Addresses taken from one connection: with more it would decide whom we know. */
const ADDRESSES_PER_TELLER_MAX = 500;

function toBitmap(have: Bitfield): BitmapMessage {
  if (have.isFull) return { type: "bitmap", parts: "all", bits: new Uint8Array(0) };
  if (have.isEmpty) return { type: "bitmap", parts: "none", bits: new Uint8Array(0) };
  return { type: "bitmap", parts: "some", bits: have.toBytes() };
}

function parseBitmap(message: BitmapMessage, partCount: number): Bitfield {
  if (message.parts === "all") return Bitfield.full(partCount);
  if (message.parts === "none") return new Bitfield(partCount);
  const bits = Bitfield.parse(partCount, message.bits);
  if (bits === undefined)
    throw new ProtocolError("bad_message", "Cannot take bitmap: it does not fit the torrent");
  return bits;
}
