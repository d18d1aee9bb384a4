import { type Address, formatAddress } from "../../protocol/address.ts";
import { whenAborted } from "../deadline.ts";
import { TransportError } from "../errors.ts";
import { resolveHost, systemLookup } from "../resolve.ts";
import { createSocketHandler, type SocketSlot, type SocketStreams } from "./socket.ts";

/** Connects to a peer.
 * @param address a name is resolved first, and its first address taken
 * @param signal ends the attempt: the caller's deadline, since a connect to nowhere never ends on its own
 * @throws {TransportError} refused, unreachable, timed_out */
export async function dial(address: Address, signal: AbortSignal): Promise<SocketStreams> {
  const opened = Promise.withResolvers<SocketStreams>();
  const aborted = whenAborted(signal);
  const [hostname = ""] = await resolveHost(address.host, systemLookup, signal);
  const connecting = Bun.connect<SocketSlot>({
    hostname,
    port: address.port,
    data: {},
    socket: createSocketHandler((streams) => {
      if (signal.aborted) streams.terminate();
      else opened.resolve(streams);
    }),
  });
  connecting.catch(opened.reject);
  try {
    return await Promise.race([opened.promise, aborted.promise]);
  } catch (cause) {
    throw toDialError(address, signal, cause);
  } finally {
    aborted.release();
  }
}

function toDialError(address: Address, signal: AbortSignal, cause: unknown): TransportError {
  const what = `Cannot connect to ${formatAddress(address)}`;
  if (signal.aborted)
    return new TransportError("timed_out", `${what}: no answer in time`, { cause });
  const isRefused = cause instanceof Error && "code" in cause && cause.code === "ECONNREFUSED";
  return isRefused
    ? new TransportError("refused", `${what}: refused`, { cause })
    : new TransportError("unreachable", `${what}: unreachable`, { cause });
}
