import { join } from "node:path";
import type { Address } from "../../../protocol/address.ts";
import { spawn } from "../spawn.ts";

const SCRIPT = join(import.meta.dir, "relay.ts");

export interface Way {
  /** One way, in milliseconds. */
  readonly delayMs: number;
  /** What comes back shares a line of this rate; as fast as it comes when it is not said. */
  readonly bytesPerSecond?: number;
}

/** Starts a way, in a process of its own, to somebody who need not be there yet. */
export async function startRelay(
  { delayMs, bytesPerSecond }: Way,
  { host, port }: Address,
): Promise<{ readonly address: Address; readonly stop: () => Promise<void> }> {
  const line = bytesPerSecond === undefined ? [] : [String(bytesPerSecond)];
  const relay = spawn([process.execPath, SCRIPT, String(delayMs), host, String(port), ...line]);
  const address = { host: "127.0.0.1", port: Number(await relay.match(/^\d+$/m)) };
  return { address, stop: relay.stop };
}
