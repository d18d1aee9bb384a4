import { isIpv4, isIpv6 } from "../../protocol/ip-literal.ts";

/** Where someone listens; an IPv6 address stands without brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** RFC 1035's limits of a domain name and of its labels. */
const HOST =
  /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?$/i;

/** The last label of every odd spelling of an IPv4 address (`127.1`, `0x7f000001`), which resolvers believe. */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$/i;

/** Reads a host name, an IPv4 address in its usual form, or an IPv6 address with or without brackets.
 * @returns the host without brackets, or undefined when the text is none */
export function parseHost(text: string): string | undefined {
  const bare = /^\[(.*)\]$/.exec(text)?.[1];
  if (bare !== undefined) return isIpv6(withoutZone(bare)) ? bare : undefined;
  if (isIpv4(text) || isIpv6(withoutZone(text))) return text;
  return HOST.test(text) && !ENDS_IN_NUMBER.test(text) ? text : undefined;
}

/** Reads a port in decimal digits.
 * @param min 0 where 0 means "any free port", else 1
 * @returns min to 65535, or undefined when the value is no such port */
export function parsePort(value: unknown, min: 0 | 1): number | undefined {
  const isDigits = typeof value === "string" && /^\d{1,5}$/.test(value);
  const port = isDigits ? Number(value) : value;
  if (typeof port !== "number" || !Number.isInteger(port) || Object.is(port, -0)) return undefined;
  return port >= min && port <= 65535 ? port : undefined;
}

/** Reads `name:port`, `1.2.3.4:port` or `[v6]:port`.
 * @param portMin 0 where 0 means "any free port", else 1
 * @returns undefined when the text is none of these; an IPv6 address without brackets is ambiguous and refused */
export function parseHostPort(text: string, portMin: 0 | 1): HostPort | undefined {
  const match = /^(\[[^\]]*\]|[^:]*):([^:]*)$/.exec(text);
  const host = parseHost(match?.[1] ?? "");
  const port = parsePort(match?.[2], portMin);
  return host === undefined || port === undefined ? undefined : { host, port };
}

/** @returns `host:port`, an IPv6 address in brackets */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** @returns whether the host means "all my addresses", which nobody can dial */
export function isUnspecifiedHost(host: string): boolean {
  return host === "0.0.0.0" || (isIpv6(host) && /^[0:.]+$|^::ffff:(?:0\.0\.0\.0|0:0)$/i.test(host));
}

/** `fe80::1%eth0` is an address on one network interface of this machine. */
function withoutZone(text: string): string {
  return text.replace(/%[0-9a-z.:-]+$/i, "");
}
