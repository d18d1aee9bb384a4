import ipaddr from "ipaddr.js";
import { HOST_CHARS_MAX } from "./announce.ts";

/** Which address may be stored, handed out and dialled. Today one rule: an announced host is an IP literal or a domain
 * name in letters, digits and hyphens, and a host that names no machine means the address the caller is seen at. */

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
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return text;
  const bare = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  if (bare.includes("%") || !ipaddr.IPv6.isValid(bare)) return undefined;
  return ipaddr.process(bare).toString();
}

function canonicalSource(source: string | undefined): string | undefined {
  const literal = source === undefined ? undefined : canonicalLiteral(source);
  return literal === undefined || isUnspecified(literal) ? undefined : literal;
}

function isUnspecified(literal: string): boolean {
  return ipaddr.parse(literal).range() === "unspecified";
}
