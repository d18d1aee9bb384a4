import {
  type AddressClass,
  type AddressPolicy,
  canonicalLiteral,
  resolveAnnouncedHost,
  whyRefused,
  zoneOf,
} from "../../protocol/address-policy.ts";
import type { HashRequest, PeerAddress } from "../../protocol/announce.ts";
import { ClientError } from "../errors.ts";

const PORT_MAX = 65_535;

export interface SanitizeOptions {
  readonly policy: AddressPolicy;
  /** The caller's address as we see it, undefined when there is none. */
  readonly source: string | undefined;
}

/** An address as it is stored. */
export interface SanitizedAddress extends PeerAddress {
  /** Who may be told of it: everybody when `public`, else callers of that class. */
  readonly zone: AddressClass;
}

/** Makes the address under which a caller is stored of what it sent and what we saw. Under `source` that is what we saw and
 * nothing else: an address that somebody may choose is one that others can be made to call.
 * @throws {ClientError} bad_host, bad_port */
export function sanitizeAddress(
  { listening_host, listening_port }: HashRequest,
  { policy, source }: SanitizeOptions,
): SanitizedAddress {
  const announced = policy === "source" ? "" : listening_host;
  const host = resolveAnnouncedHost({ announced, source });
  if (host === undefined) throw new ClientError("bad_host");
  const port = Number(listening_port);
  if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) throw new ClientError("bad_port");
  if (canonicalLiteral(host) !== undefined) {
    const refusal = whyRefused({ host, port }, { policy, requester: source });
    if (refusal !== undefined)
      throw new ClientError(refusal === "low_port" ? "bad_port" : "bad_host");
  }
  return { host, port, zone: zoneOf(host, policy) };
}
