import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { type Address, formatAddress } from "../../protocol/address.ts";
import { TransportError } from "../errors.ts";
import { createSocketHandler, type SocketSlot, type SocketStreams } from "./socket.ts";

/** Resolves a host once, so that what is dialled is an address and nothing a name server can change meanwhile.
 * @returns the first address, as an IP literal
 * @throws {TransportError} unreachable */
export async function resolveHost(host: string, signal: AbortSignal): Promise<string> {
  if (isIP(host) !== 0) return host;
  const failed = (cause: unknown) =>
    new TransportError("unreachable", `Cannot resolve ${host}`, { cause });
  const aborted = whenAborted(signal);
  try {
    const found = await Promise.race([lookup(host), aborted.promise]);
    return found.address;
  } catch (cause) {
    throw failed(cause);
  } finally {
    aborted.release();
  }
}

/** Connects to a peer.
 * @param signal ends the attempt: the caller's deadline, since a connect to nowhere never ends on its own
 * @throws {TransportError} refused, unreachable, timed_out */
export async function dial(address: Address, signal: AbortSignal): Promise<SocketStreams> {
  const opened = Promise.withResolvers<SocketStreams>();
  const aborted = whenAborted(signal);
  const hostname = await resolveHost(address.host, signal);
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

/** A promise that rejects with the signal's reason; `release` takes its listener off the signal again. */
function whenAborted(signal: AbortSignal): { readonly promise: Promise<never>; release(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return { promise, release: () => signal.removeEventListener("abort", onAbort) };
}
