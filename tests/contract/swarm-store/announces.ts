import type { ToldPeer } from "../../../protocol/announce.ts";
import { parseSwarmHash, type SwarmHash } from "../../../protocol/ids.ts";
import type { Announce, SwarmStore, SwarmView } from "../../../tracker/swarm-store/store.ts";

export const NOW = 1_700_000_000_000;
export const TTL = 120_000;

export function swarmHash(number: number): SwarmHash {
  const hash = parseSwarmHash(`00000000-0000-4000-8000-${String(number).padStart(12, "0")}`);
  if (hash === undefined) throw new Error("A test's swarm hash is wrong");
  return hash;
}

export function peerId(number: number): string {
  return number.toString(16).padStart(32, "0");
}

/** An announce of 10.0.0.1:port into swarm 1; what a test sets is what matters. */
export function announceOf(fields: Partial<Announce> = {}): Announce {
  const now = fields.now ?? NOW;
  return {
    swarm: swarmHash(1),
    host: "10.0.0.1",
    port: 1000,
    zone: "public",
    peer: undefined,
    action: "add",
    complete: undefined,
    create: false,
    reached: [],
    want: 50,
    only: "all",
    now,
    expires: now + TTL,
    ...fields,
  };
}

export function peersOf(view: SwarmView | undefined): readonly ToldPeer[] | undefined {
  return view && JSON.parse(view.peersJson);
}

export function portsOf(view: SwarmView | undefined): readonly number[] {
  return (peersOf(view) ?? []).map(({ port }) => port).sort((one, other) => one - other);
}

/** A new store for each test. */
export interface StoreUnderTest {
  readonly store: () => SwarmStore;
  /** @param fields what matters to the test */
  readonly announce: (fields?: Partial<Announce>) => Promise<SwarmView | undefined>;
  /** Who is there for a caller that leaves no trace of its own. */
  readonly look: (fields?: Partial<Announce>) => Promise<SwarmView | undefined>;
}
