import { type Address, formatAddress } from "../../protocol/address.ts";
import { StorageError, UsageError } from "../errors.ts";
import { createSocketHandler, type SocketSlot, type SocketStreams } from "./socket.ts";

/** A listening socket. */
export interface Listener {
  /** The bound port, never 0. */
  readonly port: number;
  /** Stops taking connections; those that stand go on. */
  stop(): void;
}

/** Listens for peers.
 * @param address port 0 is any free one; host `::` takes IPv4 too, and falls back to 0.0.0.0 where there is no IPv6
 * @param onConnection called for each connection, in turn
 * @throws {StorageError} busy: the port is in use
 * @throws {UsageError} bad_argument: the address is none of this machine's */
export function listen(address: Address, onConnection: (streams: SocketStreams) => void): Listener {
  const hosts = address.host === "::" ? ["::", "0.0.0.0"] : [address.host];
  for (const hostname of hosts) {
    try {
      const socket = createSocketHandler(onConnection);
      const server = Bun.listen<SocketSlot>({ hostname, port: address.port, data: {}, socket });
      return { port: server.port, stop: () => server.stop(false) };
    } catch (cause) {
      if (hostname === "::" && codeOf(cause) !== "EADDRINUSE") continue;
      throw toListenError(address, cause);
    }
  }
  throw toListenError(address, undefined);
}

function toListenError(address: Address, cause: unknown): Error {
  const what = `Cannot listen at ${formatAddress(address)}`;
  if (codeOf(cause) === "EADDRINUSE")
    return new StorageError("busy", `${what}: the port is in use`, { cause });
  return new UsageError("bad_argument", `${what}: it is no free address of this machine`, {
    cause,
  });
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && "code" in cause ? cause.code : undefined;
}
