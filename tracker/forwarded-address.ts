import type { Logger } from "@logtape/logtape";
import { canonicalLiteral } from "../protocol/address-policy.ts";
import { type AddressRange, isInRange } from "./address-range.ts";
import { type AddressSource, type ClientAddress, socketAddress } from "./client-address.ts";
import { ClientError } from "./errors.ts";
import { RecentMap } from "./recent-map.ts";

const HEADER = "x-forwarded-for";
/** Most proxies that a request may have come through: whoever names more is not believed, and costs no more. */
const HOPS_MAX = 32;
/** Of how many addresses it is remembered whether they are proxies of ours. */
const ADDRESSES_MAX = 20_000;
/** With a port, as some proxies write it; the address alone is what counts. */
const WITH_PORT = /^(?:([0-9.]+)|(\[[^\]]*\])):[0-9]{1,5}$/;

/** Whether a proxy of ours is at the other end of a connection.
 * @returns a function that remembers some answers */
export function createProxyTrust(
  trustedProxies: readonly AddressRange[],
): (request: Request, server: AddressSource | null) => boolean {
  const isTrusted = createTrust(trustedProxies);
  return (request, server) => {
    const seen = socketAddress(request, server);
    const literal = seen === undefined ? undefined : canonicalLiteral(seen);
    return literal !== undefined && isTrusted(literal);
  };
}

/** Makes the function that knows callers behind proxies. Each proxy puts the address that it saw behind what it was told, so
 * the list is believed from its end on, as long as proxies of ours speak: the first other address is the caller's, and
 * what stands before that is the caller's own word. */
export function createForwardedAddress(
  log: Logger,
  trustedProxies: readonly AddressRange[],
): ClientAddress {
  const isTrusted = createTrust(trustedProxies);
  const warnOnce = createWarning(log);
  return (request, server) => {
    const seen = socketAddress(request, server);
    const header = request.headers.get(HEADER);
    const literal = header === null || seen === undefined ? undefined : canonicalLiteral(seen);
    if (header === null || literal === undefined) return seen;
    if (isTrusted(literal)) return lastUntrusted(header, isTrusted);
    warnOnce(literal);
    return seen;
  };
}

function createTrust(ranges: readonly AddressRange[]): (literal: string) => boolean {
  const known = new RecentMap<boolean>(ADDRESSES_MAX);
  return (literal) => {
    const before = known.get(literal);
    if (before !== undefined) return before;
    const isTrusted = ranges.some((range) => isInRange(literal, range));
    known.set(literal, isTrusted);
    return isTrusted;
  };
}

/** Behind a proxy that is not trusted everybody has the proxy's address, and nobody can be reached: the operator shall know. */
function createWarning(log: Logger): (proxy: string) => void {
  let hasWarned = false;
  return (proxy) => {
    if (hasWarned) return;
    hasWarned = true;
    const said = `A request from ${proxy} carries X-Forwarded-For, which is not believed`;
    log.warn(`${said}; if that is your proxy: --trust-proxy ${proxy}`);
  };
}

/** @returns the rightmost address that is no proxy of ours; when all are, the leftmost
 * @throws {ClientError} bad_forwarded */
function lastUntrusted(header: string, isTrusted: (literal: string) => boolean): string {
  let end = header.length;
  for (let hop = 0; hop < HOPS_MAX; hop++) {
    const comma = header.lastIndexOf(",", end - 1);
    const literal = parseHop(header.slice(comma + 1, end).trim());
    if (literal === undefined) break;
    if (comma < 0 || !isTrusted(literal)) return literal;
    end = comma;
  }
  throw new ClientError("bad_forwarded");
}

function parseHop(text: string): string | undefined {
  const [, ipv4, ipv6] = WITH_PORT.exec(text) ?? [];
  return canonicalLiteral(ipv4 ?? ipv6 ?? text);
}
