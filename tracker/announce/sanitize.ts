import { resolveAnnouncedHost } from "../../protocol/address-policy.ts";
import type { HashRequest, PeerAddress } from "../../protocol/announce.ts";
import { ClientError } from "../errors.ts";

const PORT_MAX = 65_535;

/** Makes the address under which a caller is stored of what it sent and what we saw.
 * @param source the caller's socket address, undefined when there is none
 * @throws {ClientError} bad_host, bad_port */
export function sanitizeAddress(
  { listening_host, listening_port }: HashRequest,
  source: string | undefined,
): PeerAddress {
  const host = resolveAnnouncedHost({ announced: listening_host, source });
  if (host === undefined) throw new ClientError("bad_host");
  const port = Number(listening_port);
  if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) throw new ClientError("bad_port");
  return { host, port };
}
