import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Value } from "@sinclair/typebox/value";
import { PeersResponse } from "../../protocol/announce.ts";
import { createLocalClient } from "../../tracker/swarm-store/local-database.ts";
import {
  eventually,
  makeTempDirectory,
  type RunningTracker,
  removeDirectory,
  startTracker,
} from "../support/tracker.ts";

/** How often it is killed; TRACKER_KILLS=200 for a long run. */
const ROUNDS = Number(process.env.TRACKER_KILLS || 25);
const CALLERS = 8;
const PEERS_PER_SWARM = 30;

/** What a tracker has answered for one swarm: who must be there, who must be gone. A call without an answer may have
 * been taken or not, so its port is in neither. */
interface Acknowledged {
  readonly hash: string;
  readonly present: Set<number>;
  readonly absent: Set<number>;
}

async function post(tracker: RunningTracker, path: string, body: object): Promise<Response> {
  return fetch(tracker.url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ listening_host: "10.0.0.1", ...body }),
  });
}

/** Registers swarms, announces and stops peers until the tracker is gone.
 * @param onAnswer is told of each answer */
async function call(
  tracker: RunningTracker,
  swarms: Acknowledged[],
  onAnswer: () => void,
): Promise<void> {
  for (;;) {
    const registered = await post(tracker, "/hash", { listening_port: 1 });
    const swarm = {
      hash: String(Reflect.get(Object(await registered.json()), "hash")),
      present: new Set([1]),
      absent: new Set<number>(),
    };
    swarms.push(swarm);
    onAnswer();
    for (let port = 2; port <= PEERS_PER_SWARM; port++) {
      await acknowledge(tracker, swarm, { port, event: "started" });
      onAnswer();
      if (port % 4 !== 0) continue;
      await acknowledge(tracker, swarm, { port: port - 1, event: "stopped" });
      onAnswer();
    }
  }
}

async function acknowledge(
  tracker: RunningTracker,
  { hash, present, absent }: Acknowledged,
  { port, event }: { readonly port: number; readonly event: "started" | "stopped" },
): Promise<void> {
  present.delete(port);
  const body = { hash, listening_port: port, left: 5, event, want: 1 };
  const answer = await post(tracker, "/peers", body);
  Value.Assert(PeersResponse, await answer.json());
  expect(answer.status).toBe(200);
  (event === "started" ? present : absent).add(port);
}

/** Announces under load, kills the tracker without warning once `answers` calls were answered. */
async function killUnderLoad(tracker: RunningTracker, answers: number): Promise<Acknowledged[]> {
  const swarms: Acknowledged[] = [];
  const enough = Promise.withResolvers<void>();
  let answered = 0;
  const onAnswer = (): void => {
    if (++answered >= answers) enough.resolve();
  };
  const callers = Array.from({ length: CALLERS }, () =>
    call(tracker, swarms, onAnswer).catch((reason: unknown) => reason),
  );
  await enough.promise;
  await tracker.kill("SIGKILL");
  await Promise.all(callers);
  return swarms;
}

/** @returns how many acknowledged calls the tracker does not know of */
async function countLost(
  tracker: RunningTracker,
  swarms: readonly Acknowledged[],
): Promise<number> {
  let lost = 0;
  for (const { hash, present, absent } of swarms) {
    const answer = await post(tracker, "/peers", { hash, listening_port: 999, left: 1 });
    const { peers } = Value.Parse(PeersResponse, await answer.json());
    const ports = new Set(peers.map(({ port }) => port));
    lost += present.difference(ports).size + absent.intersection(ports).size;
  }
  return lost;
}

async function integrityOf(path: string): Promise<string> {
  const client = createLocalClient(`file:${path}`);
  const { rows } = await client.execute("PRAGMA integrity_check");
  client.close();
  return String(rows[0]?.[0]);
}

describe("tracker killed with -9", () => {
  test(
    "loses nothing that it answered, in several rounds under load",
    async () => {
      const dataHome = await makeTempDirectory();
      try {
        const known: Acknowledged[] = [];
        for (let round = 0; round < ROUNDS; round++) {
          await using tracker = await startTracker({ dataHome });
          // What is older than a few rounds was looked at before, and looking keeps it alive.
          expect(await countLost(tracker, known.slice(-200))).toBe(0);
          known.push(...(await killUnderLoad(tracker, 30 + ((70 * round) % 400))));
        }
        await using tracker = await startTracker({ dataHome });
        expect(await countLost(tracker, known)).toBe(0);
        const calls = known.reduce(
          (sum, { present, absent }) => sum + present.size + absent.size,
          0,
        );
        expect(calls).toBeGreaterThan(700);
        expect(await integrityOf(join(dataHome, "tracker/tracker.db"))).toBe("ok");
      } finally {
        await removeDirectory(dataHome);
      }
    },
    60_000 + ROUNDS * 5000,
  );

  test("loses everything when it keeps nothing (control)", async () => {
    await using first = await startTracker({ db: ":memory:" });
    const known = await killUnderLoad(first, 100);
    await using second = await startTracker({ db: ":memory:" });
    const present = known.reduce((sum, swarm) => sum + swarm.present.size, 0);
    expect(present).toBeGreaterThan(30);
    expect(await countLost(second, known)).toBe(present);
  }, 60_000);

  test("lets peers expire when they would have expired without it", async () => {
    const dataHome = await makeTempDirectory();
    try {
      const ttlMs = 4000;
      const args = ["--ttl", `${ttlMs}ms`];
      await using first = await startTracker({ dataHome, args });
      const startedAt = Date.now();
      const swarm = { hash: "00000000-0000-4000-8000-00000000000a", listening_port: 7, left: 0 };
      expect((await post(first, "/peers", swarm)).status).toBe(200);
      const answeredAt = Date.now();
      await first.kill("SIGKILL");
      await using second = await startTracker({ dataHome, args });
      const look = async () => {
        const body = { hash: swarm.hash, listening_port: 8, left: 1 };
        const answer = await post(second, "/peers", body);
        return Value.Parse(PeersResponse, await answer.json());
      };
      const goneAt = await eventually(
        async () => ({ complete: (await look()).complete, at: Date.now() }),
        ({ complete }) => complete === 0,
      );
      expect(goneAt.at - startedAt).toBeGreaterThanOrEqual(ttlMs);
      expect(goneAt.at - answeredAt).toBeLessThan(ttlMs + 3000);
    } finally {
      await removeDirectory(dataHome);
    }
  }, 30_000);
});
