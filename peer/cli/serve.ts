import type { LocalPeer } from "../transfer/local-peer.ts";
import { startServingPeer, untilStopped } from "./running-peer.ts";
import type { Context } from "./verbs.ts";

/** `peer serve`: everything in the data directory, until stopped.
 * @throws {StorageError} busy: another run serves it; denied, io; the signal's reason */
export async function serve(context: Context): Promise<number> {
  await using running = await startServingPeer(context);
  await running.peer.shares.refresh();
  tellServing(context, running.peer);
  return await untilStopped(context.signal);
}

/** Says how much is served, and where. */
export function tellServing({ config, report }: Context, peer: LocalPeer): void {
  const { host } = config.listen;
  report.emit({ type: "serving", host, port: peer.node.port, torrents: peer.shares.count });
}
