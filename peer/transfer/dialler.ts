import { type Address, formatAddress } from "../../protocol/address.ts";
import {
  type AddressPolicy,
  type AddressRefusal,
  canonicalLiteral,
  classOf,
  whyRefused,
} from "../../protocol/address-policy.ts";
import type { ControlMessage } from "../../protocol/messages.ts";
import type { Clock } from "../clock.ts";
import { createDeadline } from "../deadline.ts";
import { TransportError } from "../errors.ts";
import type { dial } from "../net/dial.ts";
import type { SocketStreams } from "../net/socket.ts";
import { type Lookup, resolveHost } from "../resolve.ts";
import { Slots } from "../slots.ts";
import type { AddressOrigin } from "../swarm/messages.ts";
import { HostTries } from "./host-tries.ts";

/** What a dialler asks of the network. */
export interface DialNetwork {
  readonly lookup: Lookup;
  readonly dial: typeof dial;
}

/** Connects to addresses that others named, and to none that they should not lead us to.
 *
 * A name is resolved once; all that it leads to is judged; the connection is made to the address that was judged, and
 * looked at again when it stands. What the user named is not judged: it is the user's own machine that is used. */
export class Dialler {
  readonly #clock: Clock;
  readonly #network: DialNetwork;
  readonly #slots = new Slots(DIALS_AT_ONCE_MAX);
  readonly #tries: HostTries;

  constructor(clock: Clock, network: DialNetwork) {
    this.#clock = clock;
    this.#network = network;
    this.#tries = new HostTries(clock);
  }

  /** @param signal ends the attempt early
   * @throws {TransportError} forbidden: nobody who told us of it may; refused, unreachable, timed_out */
  async connect(
    address: Address,
    origin: AddressOrigin,
    signal: AbortSignal,
  ): Promise<SocketStreams> {
    // What the user named does not wait behind strangers.
    if (origin.isUsers) return await this.#connect(address, origin, signal);
    return await this.#slots.run(() => this.#connect(address, origin, signal), signal);
  }

  /** The remote showed that it holds the torrent: what was tried there before was no abuse. */
  onProven({ remote }: SocketStreams): void {
    this.#tries.clear(remote.host);
  }

  async #connect(
    address: Address,
    origin: AddressOrigin,
    signal: AbortSignal,
  ): Promise<SocketStreams> {
    const literals = await this.#resolve(address.host, signal);
    for (const host of literals) admit({ host, port: address.port }, address, origin);
    const [host = ""] = literals;
    if (!origin.isUsers && !this.#tries.take(host))
      throw forbidden(address, "it was called in vain often enough for now");
    using connecting = createDeadline(
      this.#clock,
      origin.isUsers ? CONNECT_MS_MAX : STRANGER_CONNECT_MS_MAX,
      signal,
    );
    const streams = await this.#network.dial({ host, port: address.port }, connecting.signal);
    if (!origin.isUsers && isElsewhere(streams, host)) {
      streams.terminate();
      throw forbidden(address, "the connection leads to another address");
    }
    return streams;
  }

  async #resolve(host: string, signal: AbortSignal): Promise<readonly string[]> {
    using resolving = createDeadline(this.#clock, RESOLVE_MS_MAX, signal);
    return await resolveHost(host, this.#network.lookup, resolving.signal);
  }
}

/** @param teller who told of them, as an IP literal
 * @returns those that may be dialled on this word, and names, of which that is seen when they are resolved */
export function withoutForbidden<Told extends Address>(
  addresses: readonly Told[],
  teller: string | undefined,
): readonly Told[] {
  return addresses.filter(
    (address) =>
      canonicalLiteral(address.host) === undefined || whyNotDial(address, teller) === undefined,
  );
}

/** As `withoutForbidden`, of what a remote says. */
export function withoutForbiddenIn(message: ControlMessage, remoteHost: string): ControlMessage {
  if (message.type !== "peers") return message;
  return { ...message, peers: withoutForbidden(message.peers, remoteHost) };
}

/** Somebody out there may lead us to what lies out there. Who stands in our own networks knows what is in them, and this
 * machine to its own listeners. */
function whyNotDial(address: Address, teller: string | undefined): AddressRefusal | undefined {
  return whyRefused(address, { policy: policyFor(teller), requester: teller });
}

function policyFor(teller: string | undefined): AddressPolicy {
  const tellerClass = teller === undefined ? undefined : classOf(teller);
  const isFar = tellerClass === undefined || tellerClass === "public" || tellerClass === "unusable";
  return isFar ? "source" : "lan";
}

/** @throws {TransportError} forbidden */
function admit(literal: Address, address: Address, { isUsers, teller }: AddressOrigin): void {
  const refusal = isUsers ? undefined : whyNotDial(literal, teller);
  if (refusal !== undefined) throw forbidden(address, REASONS[refusal]);
}

/** One that is gone already says no address, and is nowhere. */
function isElsewhere({ remote }: SocketStreams, host: string): boolean {
  return remote.host !== "" && canonicalLiteral(remote.host) !== host;
}

function forbidden(address: Address, reason: string): TransportError {
  return new TransportError("forbidden", `Cannot dial ${formatAddress(address)}: ${reason}`);
}

const REASONS: Readonly<Record<AddressRefusal, string>> = {
  not_an_address: "it leads to no plain address",
  unusable_address: "it leads to an address that no peer has",
  foreign_address: "it leads into a network that who named it has no part in",
  low_port: "a peer out there has a port of 1024 or above",
};
/** Of all swarms together. */
const DIALS_AT_ONCE_MAX = 8;
const RESOLVE_MS_MAX = 5000;
const CONNECT_MS_MAX = 8000;
/** Less for those that others named: with many that nobody can call, the calls in vain keep the good ones waiting. The
 * system has said hello three times by then. */
const STRANGER_CONNECT_MS_MAX = 4000;
