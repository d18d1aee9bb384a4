import { join } from "node:path";
import type { Address } from "../../../protocol/address.ts";
import { spawn } from "../spawn.ts";

const SCRIPT = join(import.meta.dir, "relay.ts");

/** Starts a long way, in a process of its own, to somebody who need not be there yet.
 * @param delayMs of each direction */
export async function startRelay(
  delayMs: number,
  { host, port }: Address,
): Promise<{ readonly address: Address; readonly stop: () => Promise<void> }> {
  const relay = spawn([process.execPath, SCRIPT, String(delayMs), host, String(port)]);
  const address = { host: "127.0.0.1", port: Number(await relay.match(/^\d+$/m)) };
  return { address, stop: relay.stop };
}
