import ipaddr from "ipaddr.js";

/** IP literals as everybody reads them alike: what a library reads more generously is refused. `node:net` has the same
 * functions, but loading it takes a tenth of a program's start. */

/** @returns whether it is four decimal numbers of the usual form */
export function isIpv4(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text);
}

/** @returns whether it is an address of RFC 4291, 2.2, without brackets or a zone; its end may be an `isIpv4` */
export function isIpv6(text: string): boolean {
  if (text.includes("%") || !ipaddr.IPv6.isValid(text)) return false;
  // The library takes any spelling of IPv4 for the end.
  const dotted = /[^:]*\.[^:]*$/.exec(text)?.[0];
  return dotted === undefined || isIpv4(dotted);
}
