import { canonicalLiteral } from "../protocol/address-policy.ts";
import { whenAborted } from "./deadline.ts";
import { TransportError } from "./errors.ts";

/** Names to addresses: asked once, so that what is judged is what is connected to, whatever a name server says next. */

/** @returns the addresses of a name, as IP literals */
export type Lookup = (name: string) => Promise<readonly string[]>;

/** What this machine says, its hosts file included. */
export const systemLookup: Lookup = async (name) => {
  const found = await Bun.dns.lookup(name, { backend: "system" });
  return found.map(({ address }) => address);
};

/** A host's addresses, few and in their order; an address is its own.
 * @returns at least one IP literal, in canonical form where everybody reads it alike
 * @throws {TransportError} unreachable, also when the signal is aborted first */
export async function resolveHost(
  host: string,
  lookup: Lookup,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const literal = canonicalLiteral(host);
  if (literal !== undefined) return [literal];
  const failed = (cause: unknown) =>
    new TransportError("unreachable", `Cannot resolve ${host}`, { cause });
  const aborted = whenAborted(signal);
  try {
    const found = await Promise.race([lookup(host), aborted.promise]);
    if (found.length === 0) throw failed(undefined);
    return found.slice(0, ADDRESSES_MAX).map((address) => canonicalLiteral(address) ?? address);
  } catch (cause) {
    throw failed(cause);
  } finally {
    aborted.release();
  }
}

/** A name that stands for more machines than that is none's in particular. */
const ADDRESSES_MAX = 4;
