import { Engine } from "../../peer/swarm/engine.ts";
import { type PartOrder, TICK_MS } from "../../peer/swarm/engine-options.ts";
import type { ConnectionId, SwarmEffect, SwarmEvent } from "../../peer/swarm/messages.ts";
import type { Rules } from "../../peer/swarm/rules.ts";
import type { Address } from "../../protocol/address.ts";
import { Bitfield } from "../../protocol/bitfield.ts";
import { assert } from "../../protocol/errors.ts";
import { Geometry, type PartIndex, type PartRun, type SpanIndex } from "../../protocol/geometry.ts";
import { type PeerId, toPeerId } from "../../protocol/ids.ts";
import { arrivingBytesMax, MEMORY_BYTES_DEFAULT } from "../../protocol/limits.ts";
import type { ControlMessage } from "../../protocol/messages.ts";
import { Random } from "./fixtures.ts";

/** A part size that makes every part a span of its own. */
export const LARGE_PART_BYTES = 2 ** 18;

/** What peers ask for at once, by default. */
export const IN_FLIGHT_BYTES_MAX = arrivingBytesMax(MEMORY_BYTES_DEFAULT);

export function geometryOf(parts: number, partBytes = LARGE_PART_BYTES): Geometry {
  return new Geometry({ fileBytes: parts * partBytes, partBytes });
}

export function partOf(geometry: Geometry, index: number): PartIndex {
  const part = geometry.part(index);
  assert(part !== undefined, `A fixture's part exists: ${index}`);
  return part;
}

export function spanOf(geometry: Geometry, index: number): SpanIndex {
  const span = geometry.span(index);
  assert(span !== undefined, `A fixture's span exists: ${index}`);
  return span;
}

export function runOf(geometry: Geometry, first: number, count = 1): PartRun {
  const run = geometry.run(first, count);
  assert(run !== undefined, `A fixture's run exists: ${first}+${count}`);
  return run;
}

export function bitsOf(length: number, parts: Iterable<number>): Bitfield {
  const bits = new Bitfield(length);
  for (const part of parts) bits.set(part);
  return bits;
}

/** @returns a peer id that is larger for a larger number */
export function peerIdOf(number: number): PeerId {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, number);
  return toPeerId(bytes);
}

export function addressOf(number: number): Address {
  return { host: `10.0.${number >> 8}.${number & 255}`, port: 7000 };
}

/** Chance from 0 to below 1, the same for the same seed. */
export function fractionsOf(seed: number): () => number {
  const random = new Random(seed);
  return () => random.below(2 ** 32) / 2 ** 32;
}

export interface RigOptions {
  readonly parts?: number;
  readonly partBytes?: number;
  /** Parts it has from the start. */
  readonly have?: Iterable<number> | "all";
  readonly peersMax?: number;
  readonly seed?: number;
  /** The own peer id's number. */
  readonly self?: number;
  readonly rules?: Rules;
  readonly order?: PartOrder;
  readonly pipe?: { readonly places: number } | undefined;
  readonly limitDownBytesPerSecond?: number | undefined;
}

/** One engine with a clock set by hand, and shorthand for what happens to it. */
export class EngineRig {
  readonly geometry: Geometry;
  readonly engine: Engine;
  nowMs = 1_000_000;
  /** Everything it wanted done so far. */
  readonly effects: SwarmEffect[] = [];

  constructor(options: RigOptions = {}) {
    const { parts = 8, partBytes = LARGE_PART_BYTES, have = [], seed = 1 } = options;
    this.geometry = geometryOf(parts, partBytes);
    this.engine = new Engine({
      ...(options.order === undefined ? {} : { order: options.order }),
      ...(options.pipe === undefined ? {} : { pipe: options.pipe }),
      inFlightBytesMax: IN_FLIGHT_BYTES_MAX,
      limitDownBytesPerSecond: options.limitDownBytesPerSecond,
      geometry: this.geometry,
      have: have === "all" ? Bitfield.full(parts) : bitsOf(parts, have),
      peerId: peerIdOf(options.self ?? 500),
      peersMax: options.peersMax ?? 50,
      random: fractionsOf(seed),
      ...(options.rules === undefined ? {} : { rules: options.rules }),
    });
  }

  /** Applies an event and returns what it led to. */
  do(event: SwarmEvent): readonly SwarmEffect[] {
    const effects = this.engine.handle(event, this.nowMs);
    this.effects.push(...effects);
    return effects;
  }

  hear(connection: ConnectionId, message: ControlMessage): readonly SwarmEffect[] {
    return this.do({ type: "message", connection, message });
  }

  /** Answers a ping, by a clock that is ours. */
  pong(connection: ConnectionId, id: number): readonly SwarmEffect[] {
    return this.hear(connection, { type: "pong", id, readAtMs: this.nowMs });
  }

  /** A connection of that number proves itself. */
  join(
    connection: ConnectionId,
    joined: {
      readonly peer?: number;
      readonly address?: Address;
      readonly isDialled?: boolean;
      readonly isListening?: boolean;
    } = {},
  ): readonly SwarmEffect[] {
    return this.do({
      type: "joined",
      connection,
      peerId: peerIdOf(joined.peer ?? connection),
      address: joined.address ?? addressOf(connection),
      isDialled: joined.isDialled ?? true,
      isListening: joined.isListening ?? true,
    });
  }

  /** It joins and says what it has. */
  joinWith(connection: ConnectionId, parts: Iterable<number> | "all"): readonly SwarmEffect[] {
    return [...this.join(connection), ...this.hear(connection, this.bitmap(parts))];
  }

  bitmap(parts: Iterable<number> | "all"): ControlMessage {
    if (parts === "all") return { type: "bitmap", parts: "all", bits: new Uint8Array(0) };
    const bits = bitsOf(this.geometry.partCount, parts);
    return bits.isEmpty
      ? { type: "bitmap", parts: "none", bits: new Uint8Array(0) }
      : { type: "bitmap", parts: "some", bits: bits.toBytes() };
  }

  run(first: number, count = 1): PartRun {
    return runOf(this.geometry, first, count);
  }

  /** All bytes of a run arrive and are right. */
  deliver(connection: ConnectionId, run: PartRun): readonly SwarmEffect[] {
    return [
      ...this.do({
        type: "arrived",
        connection,
        first: run.first,
        bytes: this.geometry.runRange(run).length,
      }),
      ...this.do({ type: "verified", connection, run }),
    ];
  }

  /** All bytes of a run arrive, are right, and are written. */
  complete(connection: ConnectionId, run: PartRun): readonly SwarmEffect[] {
    return [...this.deliver(connection, run), ...this.do({ type: "written", run })];
  }

  bad(connection: ConnectionId, run: PartRun): readonly SwarmEffect[] {
    return this.do({ type: "bad", connection, run, part: run.first });
  }

  tick(afterMs = 0): readonly SwarmEffect[] {
    this.nowMs += afterMs;
    return this.do({ type: "tick" });
  }

  /** Ticks for so long. */
  pass(ms: number): readonly SwarmEffect[] {
    const effects: SwarmEffect[] = [];
    for (let left = ms; left > 0; left -= TICK_MS)
      effects.push(...this.tick(Math.min(TICK_MS, left)));
    return effects;
  }

  /** What a connection was asked for and did not answer, as the engine itself knows it. */
  isAsked(connection: ConnectionId, first: number): boolean {
    return this.engine.requested(connection, partOf(this.geometry, first)) !== undefined;
  }
}

/** @returns the messages of one type that the effects send, with their connection */
export function sent<Type extends ControlMessage["type"]>(
  effects: readonly SwarmEffect[],
  type: Type,
): readonly { readonly connection: ConnectionId; readonly message: MessageOf<Type> }[] {
  return effects.flatMap((effect) =>
    effect.type === "send" && isOf(effect.message, type)
      ? [{ connection: effect.connection, message: effect.message }]
      : [],
  );
}

type MessageOf<Type extends ControlMessage["type"]> = Extract<
  ControlMessage,
  { readonly type: Type }
>;

function isOf<Type extends ControlMessage["type"]>(
  message: ControlMessage,
  type: Type,
): message is MessageOf<Type> {
  return message.type === type;
}

/** @returns the runs that a connection is asked for, in order */
export function asked(effects: readonly SwarmEffect[], connection?: ConnectionId): PartRun[] {
  return sent(effects, "request")
    .filter((request) => connection === undefined || request.connection === connection)
    .map(({ message }) => ({ first: message.first as PartIndex, count: message.count }));
}

/** @returns the effects of one type */
export function only<Type extends SwarmEffect["type"]>(
  effects: readonly SwarmEffect[],
  type: Type,
): readonly Extract<SwarmEffect, { readonly type: Type }>[] {
  return effects.filter(
    (effect): effect is Extract<SwarmEffect, { readonly type: Type }> => effect.type === type,
  );
}

/** @returns the connections that are closed, with the reason */
export function closed(effects: readonly SwarmEffect[]): readonly (readonly [number, string])[] {
  return only(effects, "close").map(({ connection, reason }) => [connection, reason] as const);
}
