import { classOf, networkOf } from "../../protocol/address-policy.ts";
import type { PeerAddress, PeersRequest } from "../../protocol/announce.ts";

/** Decides for whom a caller may vouch. Nobody can speak for himself: who comes from out there is not believed about addresses in
 * his own network. In networks of one's own, machines share their addresses, and whoever is there is believed anyway.
 * @param source the caller's address as we see it, undefined when there is none
 * @returns those of the addresses that it says it reached */
export function whomToBelieve(
  { reached }: Pick<PeersRequest, "reached">,
  source: string | undefined,
): readonly PeerAddress[] {
  if (reached === undefined || reached.length === 0 || source === undefined) return NOBODY;
  if (classOf(source) !== "public") return reached;
  const own = networkOf(source);
  return reached.filter(({ host }) => networkOf(host) !== own);
}

const NOBODY: readonly PeerAddress[] = [];
