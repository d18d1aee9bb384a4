import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Log } from "../../../peer/log.ts";
import { TrackerClient } from "../../../peer/tracker-client.ts";
import { Announcer, type TrackerState } from "../../../peer/transfer/announcer.ts";
import type { Address } from "../../../protocol/address.ts";
import { eventually } from "../../support/eventually.ts";
import { FakeClock, turn } from "../../support/fake-clock.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(60_000);

const HASH = "6f1e3a52-9c4b-4d7e-8a10-2b3c4d5e6f70";

interface Asked {
  readonly atMs: number;
  readonly event: string | undefined;
  readonly left: number;
  readonly reached?: unknown;
}

const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0)) await dispose();
});

/** An announcer with time of its own, at a real HTTP server that answers as it is told. */
class Rig {
  readonly clock = new FakeClock(0);
  readonly asked: Asked[] = [];
  readonly states: TrackerState[] = [];
  readonly peers: Address[] = [];
  readonly warnings: string[] = [];
  readonly announcer: Announcer;
  answer: () => Response | Promise<Response> = () => Response.json({ peers: [], interval: 30 });
  isHungry = false;
  left = 100;
  reached: readonly Address[] = [];
  readonly #stop = new AbortController();
  /** Announces begun. */
  #described = 0;
  #running: Promise<void> | undefined;

  constructor() {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        const body: unknown = await request.json();
        this.asked.push({ atMs: this.clock.monotonic(), ...parseBody(body) });
        return await this.answer();
      },
    });
    const client = new TrackerClient(this.clock, `http://127.0.0.1:${server.port}`);
    const port = {
      describe: () => {
        this.#described++;
        return { hash: HASH, listening_host: "0.0.0.0", listening_port: 7000, left: this.left };
      },
      reached: () => this.reached,
      isHungry: () => this.isHungry,
      onPeers: (addresses: readonly Address[]) => void this.peers.push(...addresses),
      onState: (state: TrackerState) => void this.states.push(state),
    };
    this.announcer = new Announcer(this.clock, this.#log(), () => 0.999, client, port);
    disposals.push(async () => {
      this.answer = () => Response.json({ peers: [] });
      this.#stop.abort();
      await this.#running;
      await server.stop(true);
    });
  }

  start(): void {
    this.#running = this.announcer.run(this.#stop.signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Time passes, and whatever is asked meanwhile is answered over the real network before it goes on. */
  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms, () => this.settle());
  }

  /** Waits until the announcer waits for time again, not for the network. */
  async settle(): Promise<void> {
    await turn();
    while (this.#described > this.states.length) await Bun.sleep(0);
    await turn();
  }

  times(): number[] {
    return this.asked.map(({ atMs }) => atMs);
  }

  #log(): Log {
    const log: Log = {
      error: () => undefined,
      warn: (message) => void this.warnings.push(message),
      info: () => undefined,
      debug: () => undefined,
      trace: () => undefined,
      child: () => log,
      isEnabled: () => true,
    };
    return log;
  }
}

function parseBody(body: unknown): Omit<Asked, "atMs"> {
  const { event, left, reached } = body as { event?: string; left: number; reached?: unknown };
  return { event, left, reached };
}

/** The gaps between times. */
function gaps(times: readonly number[]): number[] {
  return times.slice(1).map((at, index) => at - (times[index] ?? 0));
}

describe("Announcer", () => {
  test("Announcer says started once, then nothing special at every interval, then stopped", async () => {
    const rig = new Rig();
    rig.start();
    await rig.pass(91_000);
    expect(rig.asked.map(({ event }) => event)).toEqual([
      "started",
      undefined,
      undefined,
      undefined,
    ]);
    expect(gaps(rig.times())).toEqual([30_000, 30_000, 30_000]);
    await rig.stop();
    expect(rig.asked.at(-1)).toMatchObject({ event: "stopped" });
    expect(rig.asked).toHaveLength(5);
  });

  test("Announcer asks every two seconds while sources are wanted, and soon after they are wanted again", async () => {
    const rig = new Rig();
    rig.isHungry = true;
    rig.start();
    await rig.pass(9000);
    expect(gaps(rig.times())).toEqual([2000, 2000, 2000, 2000]);
    rig.isHungry = false;
    await rig.pass(20_000);
    const before = rig.asked.length;
    rig.isHungry = true;
    await rig.pass(2500);
    expect(rig.asked.length).toBe(before + 1);
  });

  test("Announcer says whom it reached, and nothing of it when that is nobody or it stops", async () => {
    const rig = new Rig();
    rig.start();
    await rig.settle();
    rig.reached = [{ host: "10.0.0.1", port: 7001 }];
    await rig.pass(30_000);
    await rig.stop();
    expect(rig.asked.map(({ reached }) => reached)).toEqual([undefined, rig.reached, undefined]);
  });

  test("Announcer keeps the tracker's interval within two seconds and an hour", async () => {
    for (const [interval, gapMs] of [
      [0, 2000],
      [1e300, 3_600_000],
      [undefined, 30_000],
      [17, 17_000],
    ] as const) {
      const rig = new Rig();
      rig.answer = () =>
        Response.json(interval === undefined ? { peers: [] } : { peers: [], interval });
      rig.start();
      await rig.settle();
      await rig.pass(gapMs - 1);
      expect(rig.asked).toHaveLength(1);
      await rig.pass(2);
      expect(rig.asked).toHaveLength(2);
    }
  });

  test("Announcer comes no sooner than the tracker can bear, hungry as it may be", async () => {
    for (const [min_interval, gapMs] of [
      [undefined, 2000],
      [0, 2000],
      [7, 7000],
      [1e300, 3_600_000],
    ] as const) {
      const rig = new Rig();
      rig.isHungry = true;
      rig.answer = () =>
        Response.json({
          peers: [],
          interval: 30,
          ...(min_interval !== undefined && { min_interval }),
        });
      rig.start();
      await rig.settle();
      await rig.pass(gapMs - 1);
      expect(rig.asked).toHaveLength(1);
      await rig.pass(2);
      expect(rig.asked).toHaveLength(2);
    }
  });

  test("Announcer passes on the peers", async () => {
    const rig = new Rig();
    const peers = [{ host: "10.0.0.1", port: 7 }];
    rig.answer = () => Response.json({ peers });
    rig.start();
    await rig.settle();
    expect(rig.peers).toEqual(peers);
    expect(rig.states).toEqual([{ type: "answered" }]);
  });

  test("complete is told at once, and stays to be told while the tracker fails", async () => {
    const rig = new Rig();
    rig.start();
    await rig.pass(1000);
    rig.left = 0;
    rig.announcer.complete();
    await rig.settle();
    expect(rig.asked[1]).toEqual({ atMs: 1000, event: "completed", left: 0 });
    const failing = new Rig();
    failing.answer = () => new Response("no", { status: 500 });
    failing.start();
    await failing.pass(500);
    failing.announcer.complete();
    await failing.pass(5000);
    failing.answer = () => Response.json({ peers: [] });
    await failing.pass(60_000);
    const events = failing.asked.map(({ event }) => event);
    expect(events.filter((event) => event === "completed").length).toBeGreaterThanOrEqual(2);
    expect(events.at(-1)).toBeUndefined();
  });

  test("complete is not forgotten when it comes while another announce is under way", async () => {
    const rig = new Rig();
    const slow = Promise.withResolvers<Response>();
    rig.answer = () => slow.promise;
    rig.start();
    await eventually(
      () => rig.asked.length,
      (count) => count === 1,
    );
    rig.announcer.complete();
    rig.answer = () => Response.json({ peers: [] });
    slow.resolve(Response.json({ peers: [] }));
    await rig.settle();
    expect(rig.asked.map(({ event }) => event)).toEqual(["started", "completed"]);
  });

  test("CLI-5: Announcer asks a failing tracker again with growing waits, at most five minutes", async () => {
    const rig = new Rig();
    rig.answer = () => new Response("no", { status: 500 });
    rig.start();
    await rig.pass(1_500_000);
    const waits = gaps(rig.times());
    expect(waits.slice(0, 5).map((ms) => Math.round(ms / 1000))).toEqual([1, 2, 4, 8, 16]);
    expect(Math.max(...waits)).toBeLessThanOrEqual(300_000);
    expect(waits.at(-1)).toBeGreaterThan(290_000);
    expect(rig.warnings).toHaveLength(1);
    rig.answer = () => Response.json({ peers: [] });
    await rig.pass(310_000);
    expect(rig.states.at(-1)).toEqual({ type: "answered" });
  });

  test("CLI-5: Announcer asks a failing tracker every ten seconds at least while sources are wanted", async () => {
    const rig = new Rig();
    rig.isHungry = true;
    rig.answer = () => new Response("no", { status: 500 });
    rig.start();
    await rig.pass(120_000);
    expect(Math.max(...gaps(rig.times()))).toBeLessThanOrEqual(10_000);
  });

  test("CLI-5: Announcer waits as long as the tracker asks for, and never less than it would anyway", async () => {
    for (const [header, leastMs, mostMs] of [
      ["120", 120_000, 120_500],
      ["0", 900, 1500],
    ] as const) {
      const rig = new Rig();
      rig.answer = () => new Response("{}", { status: 503, headers: { "retry-after": header } });
      rig.start();
      await rig.pass(130_000);
      expect(rig.times()[1]).toBeGreaterThanOrEqual(leastMs);
      expect(rig.times()[1]).toBeLessThanOrEqual(mostMs);
      expect(rig.asked.length).toBeLessThan(12);
    }
  });

  test("Announcer tells an unknown swarm from a failing tracker", async () => {
    const rig = new Rig();
    rig.answer = () => Response.json({ error: "unknown", peers: [] }, { status: 404 });
    rig.start();
    await rig.settle();
    expect(rig.states.map(({ type }) => type)).toEqual(["unknown"]);
  });

  test("Announcer says stopped to nobody that never answered", async () => {
    const rig = new Rig();
    rig.answer = () => new Response("no", { status: 500 });
    rig.start();
    await rig.pass(3000);
    await rig.stop();
    expect(rig.asked.map(({ event }) => event)).not.toContain("stopped");
  });

  test("Announcer stops within two seconds of a tracker that is silent by then", async () => {
    const rig = new Rig();
    rig.start();
    await rig.pass(1000);
    const silence = Promise.withResolvers<Response>();
    rig.answer = () => silence.promise;
    let isOver = false;
    const stopping = rig.stop().then(() => {
      isOver = true;
    });
    await eventually(
      () => rig.asked.at(-1)?.event,
      (event) => event === "stopped",
    );
    await rig.clock.advance(1999);
    expect(isOver).toBe(false);
    await rig.clock.advance(2);
    await stopping;
    silence.resolve(new Response("late"));
  });

  test("Announcer never waits for less than nothing, on a clock that goes on while it is read", async () => {
    const rig = new Rig();
    rig.clock.readingMs = 0.05;
    rig.clock.earlyMs = 0.07;
    rig.start();
    await rig.pass(61_000);
    await rig.stop();
    expect(rig.asked.map(({ event }) => event)).toEqual([
      "started",
      undefined,
      undefined,
      "stopped",
    ]);
  });

  test("a bug in what the peers are passed to is not taken for a failing tracker", async () => {
    const rig = new Rig();
    rig.peers.push = () => {
      throw new RangeError("a bug");
    };
    const { signal } = new AbortController();
    expect(rig.announcer.run(signal)).rejects.toThrow("a bug");
    await eventually(
      () => rig.asked.length,
      (count) => count === 1,
    );
  });
});
