import ipaddr from "ipaddr.js";
import type { Address } from "./address.ts";
import { HOST_CHARS_MAX } from "./announce-limits.ts";
import { isIpv4, isIpv6 } from "./ip-literal.ts";

/** Which address may be stored, handed out and dialled: one table for the tracker and the peer's dialler.
 *
 * It judges IP literals only, never text that somebody else reads as an address: who has a name resolves it first, and
 * connects to what was judged. A host that names no machine means the address the caller is seen at. */

/** `source`: what the whole net may reach, and beyond that only what lies in the asker's own network. `lan`: private
 * networks too. `compat`: as the original program, this machine too. */
export type AddressPolicy = "source" | "lan" | "compat";

/** Where an address leads. `unusable` is all that is no place of one machine for everybody: link-local, multicast,
 * documentation, tunnels that hold another address, and what nobody has given out yet. */
export type AddressClass = (typeof ADDRESS_CLASSES)[number];

export const ADDRESS_CLASSES = [
  "public",
  "private",
  "uniqueLocal",
  "carrierGradeNat",
  "loopback",
  "unspecified",
  "unusable",
] as const;

export function isAddressClass(value: unknown): value is AddressClass {
  return ADDRESS_CLASSES.some((addressClass) => addressClass === value);
}

export type AddressRefusal = "not_an_address" | "unusable_address" | "foreign_address" | "low_port";

export interface AddressQuestion {
  readonly policy: AddressPolicy;
  /** The address, as an IP literal, of whom it is told, or of who told it; undefined when that is not known. */
  readonly requester: string | undefined;
}

/** @returns why the address must be neither stored, nor told, nor dialled; undefined when it may be */
export function whyRefused(
  { host, port }: Address,
  { policy, requester }: AddressQuestion,
): AddressRefusal | undefined {
  const addressClass = classOf(host);
  if (addressClass === undefined) return "not_an_address";
  if (addressClass === "unusable" || addressClass === "unspecified") return "unusable_address";
  if (!OPEN_TO_ALL[policy].includes(addressClass)) {
    const isNear = requester !== undefined && classOf(requester) === addressClass;
    if (!isNear) return "foreign_address";
  }
  return policy === "source" && port < PORT_UNPRIVILEGED_MIN ? "low_port" : undefined;
}

/** @param host as it is stored: a literal, or a name, which whoever dials it resolves and judges
 * @returns who may be told of it: everybody when `public`, else those whose own address is of that class */
export function zoneOf(host: string, policy: AddressPolicy): AddressClass {
  const addressClass = classOf(host);
  if (addressClass === undefined) return "public";
  return OPEN_TO_ALL[policy].includes(addressClass) ? "public" : addressClass;
}

/** @param literal an IP literal; an IPv4-mapped IPv6 address counts as the IPv4 address that it is
 * @returns undefined when it is no literal that everybody reads alike */
export function classOf(literal: string): AddressClass | undefined {
  // Whoever asks about an address asks several things, one after the other.
  if (literal !== last.literal) last = { literal, addressClass: classify(literal) };
  return last.addressClass;
}

let last: { readonly literal: string; readonly addressClass: AddressClass | undefined } = {
  literal: "",
  addressClass: undefined,
};

function classify(literal: string): AddressClass | undefined {
  const canonical = canonicalLiteral(literal);
  if (canonical === undefined) return undefined;
  const address = ipaddr.parse(canonical);
  const range = address.range();
  if (range !== "unicast") return NAMED_CLASSES.get(range) ?? "unusable";
  // Of IPv6 only 2000::/3 has been given out. Below it lies ::/96, by which old systems reach IPv4 addresses.
  const isGivenOut = address.kind() === "ipv4" || (address.toByteArray()[0] ?? 0) >> 5 === 1;
  return isGivenOut ? "public" : "unusable";
}

/** @param literal an IP literal
 * @returns the same text for all addresses that one customer has to choose from: of IPv6 a /64, of IPv4 a single one */
export function networkOf(literal: string): string {
  const canonical = canonicalLiteral(literal);
  if (canonical === undefined || !canonical.includes(":")) return canonical ?? literal;
  return `${ipv6Prefix(canonical, IPV6_NETWORK_BYTES)}/64`;
}

/** @param host an IP literal in canonical form, or a name
 * @returns the same text for all addresses that lie side by side, mostly with one owner: of IPv4 a /24, of IPv6 a /48; a
 * name's own */
export function neighbourhoodOf(host: string): string {
  if (host.includes(":")) return `${ipv6Prefix(host, IPV6_NEIGHBOURHOOD_BYTES)}/48`;
  return IPV4.test(host) ? host.slice(0, host.lastIndexOf(".")) : host;
}

function ipv6Prefix(literal: string, bytes: number): string {
  const prefix = ipaddr.parse(literal).toByteArray().slice(0, bytes);
  return prefix.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const IPV4 = /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/;
const IPV6_NETWORK_BYTES = 8;
const IPV6_NEIGHBOURHOOD_BYTES = 6;

/** The ranges of the library that have a class of their own; whatever it may add is unusable until it stands here. */
const NAMED_CLASSES: ReadonlyMap<string, AddressClass> = new Map([
  ["private", "private"],
  ["uniqueLocal", "uniqueLocal"],
  ["carrierGradeNat", "carrierGradeNat"],
  ["loopback", "loopback"],
  ["unspecified", "unspecified"],
]);
const OPEN_TO_ALL: Readonly<Record<AddressPolicy, readonly AddressClass[]>> = {
  source: ["public"],
  lan: ["public", "private", "uniqueLocal", "carrierGradeNat"],
  compat: ["public", "private", "uniqueLocal", "carrierGradeNat", "loopback"],
};
/** Below it stand the services of every machine, mail and name servers among them: no peer of strangers listens there. */
export const PORT_UNPRIVILEGED_MIN = 1024;

/** What a peer said about itself, and what we saw. */
export interface AnnouncedHost {
  /** As sent: an IP literal (IPv6 with or without brackets), a name, or something that names no machine. */
  readonly announced: string;
  /** The caller's socket address as an IP literal; undefined when there is none to be seen. */
  readonly source: string | undefined;
}

/** What configuration files say for "any address of mine", beside the unspecified addresses. */
const NO_HOST = /^( *|\*)$/;
const NAME = /^(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/;
/** A name that ends so is read as an IPv4 address by resolvers: `127.1`, `2130706433`, `0x7f.1`. */
const ENDS_IN_NUMBER = /(^|\.)([0-9]+|0x[0-9a-f]*)$/;

/** Decides under which host a peer is stored.
 * @returns an IP literal in canonical form (IPv4-mapped IPv6 as IPv4, IPv6 without brackets) or a name in lower case;
 * undefined when the host must be refused: NUL, too long, neither literal nor name, another spelling of IPv4,
 * an IPv6 zone, or no source to stand in for it */
export function resolveAnnouncedHost({ announced, source }: AnnouncedHost): string | undefined {
  if (announced.length > HOST_CHARS_MAX) return undefined;
  const host = announced.toLowerCase();
  if (NO_HOST.test(host)) return canonicalSource(source);
  const literal = canonicalLiteral(host);
  if (literal !== undefined) return isUnspecified(literal) ? canonicalSource(source) : literal;
  return NAME.test(host) && !ENDS_IN_NUMBER.test(host) ? host : undefined;
}

/** @param text an IP literal; IPv6 may stand in brackets
 * @returns its canonical form, IPv4-mapped addresses as IPv4, or undefined when it is no literal that everybody reads alike */
export function canonicalLiteral(text: string): string | undefined {
  if (isIpv4(text)) return text;
  // As a socket for both kinds of addresses shows its IPv4 callers: the long way would take ten times as long.
  const mapped = text.startsWith("::ffff:") ? text.slice("::ffff:".length) : "";
  if (isIpv4(mapped)) return mapped;
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  // The library reads `::1.2.3.4` as the mapped form, which it is not.
  if (!isIpv6(bare) || /^::[^:]*\.[^:]*$/.test(bare)) return undefined;
  return ipaddr.process(bare).toString();
}

function canonicalSource(source: string | undefined): string | undefined {
  const literal = source === undefined ? undefined : canonicalLiteral(source);
  return literal === undefined || isUnspecified(literal) ? undefined : literal;
}

function isUnspecified(literal: string): boolean {
  return classOf(literal) === "unspecified";
}
