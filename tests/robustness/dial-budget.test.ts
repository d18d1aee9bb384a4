import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createServer, type Server } from "node:net";
import type { Address } from "../../protocol/address.ts";
import { eventually } from "../support/eventually.ts";
import { makeTorrent } from "../support/fixtures.ts";
import { leech, startNode } from "../support/nodes.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(90_000);

/** Long enough for the first addresses to be called again. */
const WATCHED_MS = 15_000;
const ADDRESSES = 5000;

/** One machine under many addresses of loopback. It counts who calls it, under which address, and what he says. */
class Victim implements AsyncDisposable {
  readonly calls = new Map<string, number>();
  readonly bytes: number[] = [];
  openMax = 0;
  #open = 0;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((socket) => {
      const at = socket.localAddress ?? "";
      this.calls.set(at, (this.calls.get(at) ?? 0) + 1);
      this.openMax = Math.max(this.openMax, ++this.#open);
      const call = this.bytes.push(0) - 1;
      socket.on("data", (chunk) => {
        this.bytes[call] = (this.bytes[call] ?? 0) + chunk.length;
      });
      socket.on("error", () => undefined);
      socket.on("close", () => this.#open--);
      // It never asked for this, and says so after a moment.
      setTimeout(() => socket.destroy(), 200);
    });
  }

  static async start(): Promise<Victim> {
    const victim = new Victim();
    await new Promise<void>((resolve) => victim.#server.listen(0, "0.0.0.0", resolve));
    return victim;
  }

  /** @returns so many addresses of it */
  addresses(count: number): Address[] {
    const address = this.#server.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    return Array.from({ length: count }, (_, at) => ({
      host: `127.1.${at >> 8}.${at & 255}`,
      port,
    }));
  }

  get total(): number {
    return this.bytes.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe("Node", () => {
  test("CLI-3: Node is no weapon against a machine that a tracker gives 5,000 addresses of", async () => {
    await using victim = await Victim.start();
    const told = victim.addresses(ADDRESSES);
    let asked = 0;
    using tracker = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => {
        const from = (asked++ * 1000) % ADDRESSES;
        return Response.json({ peers: told.slice(from, from + 1000), interval: 2 });
      },
    });
    const trackers = [`http://127.0.0.1:${tracker.port}`];
    await using node = startNode();
    const { swarm } = leech(node, makeTorrent(), { trackers });
    await Bun.sleep(WATCHED_MS);
    expect(asked).toBeGreaterThanOrEqual(ADDRESSES / 1000);
    expect(swarm.stats().peersKnown).toBe(2000);
    // It is called at all, and at 30 new addresses in this first minute.
    expect(victim.calls.size).toBe(30);
    expect(Math.max(...victim.calls.values())).toBeLessThanOrEqual(3);
    expect(victim.openMax).toBeLessThanOrEqual(8);
    expect(Math.max(...victim.bytes)).toBeLessThanOrEqual(64);
    expect(victim.total).toBeLessThanOrEqual(3 * 30);
  });

  test("CLI-3's control: the same machine counts far more when it is the user who names it", async () => {
    await using victim = await Victim.start();
    await using node = startNode();
    leech(node, makeTorrent(), { peers: victim.addresses(200) });
    await eventually(
      () => victim.calls.size,
      (count) => count > 100,
    );
    expect(victim.total).toBeGreaterThan(90);
  });
});
