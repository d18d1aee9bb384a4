import ipaddr from "ipaddr.js";
import { canonicalLiteral } from "../protocol/address-policy.ts";

/** All addresses that begin alike. */
export interface AddressRange {
  /** In canonical form. */
  readonly address: string;
  /** How many bits are alike. */
  readonly prefixBits: number;
}

/** @param text `10.0.0.0/8`, `fd00::/8`, or an address, which is a range of one; bits behind the prefix do not count
 * @returns undefined when it is none */
export function parseAddressRange(text: string): AddressRange | undefined {
  const [literal = "", bits, ...rest] = text.split("/");
  const address = canonicalLiteral(literal);
  if (address === undefined || rest.length > 0) return undefined;
  const bitsMax = address.includes(":") ? 128 : 32;
  if (bits === undefined) return { address, prefixBits: bitsMax };
  // A mapped address counts as the IPv4 address that it is, to which its own number of bits does not fit.
  if (literal.includes(":") !== address.includes(":")) return undefined;
  const prefixBits = /^[0-9]{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  return prefixBits <= bitsMax ? { address, prefixBits } : undefined;
}

/** @param literal an address in canonical form */
export function isInRange(literal: string, { address, prefixBits }: AddressRange): boolean {
  if (literal.includes(":") !== address.includes(":")) return false;
  return ipaddr.parse(literal).match(ipaddr.parse(address), prefixBits);
}
