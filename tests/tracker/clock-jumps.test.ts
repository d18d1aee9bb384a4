import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  createTestApp,
  eventually,
  FakeClock,
  makeTempDirectory,
  type RunningTracker,
  removeDirectory,
  startTracker,
} from "../support/tracker.ts";
import { type Api, announce, post, register } from "./api-cases.ts";

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const LIBRARY = ["x86_64", "aarch64"]
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));
if (LIBRARY === undefined) {
  process.stderr.write("SKIPPED: TRK-11 with a real process needs the package faketime\n");
}

describe("tracker, and a clock that jumps", () => {
  test.each([-2 * HOUR_MS, YEAR_MS, 20 * YEAR_MS])(
    "TRK-11: after a jump of %d ms its times run on, and peers find each other",
    async (jumpMs) => {
      const clock = new FakeClock();
      const { app, store } = createTestApp({ clock, clientAddress: () => "127.0.0.1" });
      const api: Api = {
        fetch: (path, init) => app.handle(new Request(`http://localhost${path}`, init)),
        [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
      };
      const hash = await register(api);
      await clock.advance(5000);
      clock.set(clock.now() + jumpMs);
      await clock.advance(2000);
      expect(await (await api.fetch("/stats")).json()).toMatchObject({ uptimeSeconds: 7 });
      // Who has the file makes the swarm known again, if it was forgotten.
      await announce(api, hash, { listening_host: "10.1.1.1", listening_port: 1111, left: 0 });
      const { peers } = await announce(api, hash, { left: 5 });
      expect(peers).toEqual([{ host: "10.1.1.1", port: 1111 }]);
      // Totals are not kept for the two hours that passed a second time.
      await clock.advance(1001);
      expect(await (await api.fetch("/stats")).json()).toMatchObject({
        complete: 1,
        incomplete: 1,
      });
      await api[Symbol.asyncDispose]();
    },
  );

  test.skipIf(LIBRARY === undefined)(
    "TRK-11: a tracker process goes on through -2 h, +1 y, the year 2040, and ten times as fast",
    async () => {
      const directory = await makeTempDirectory();
      const file = join(directory, "time");
      await writeFile(file, "+0\n");
      try {
        await using tracker = await startTracker({
          env: {
            LD_PRELOAD: LIBRARY ?? "",
            FAKETIME_TIMESTAMP_FILE: file,
            FAKETIME_NO_CACHE: "1",
            // As on any machine: a set clock changes nothing of durations.
            FAKETIME_DONT_FAKE_MONOTONIC: "1",
          },
        });
        const api: Api = {
          fetch: (path, init) => fetch(tracker.url + path, init),
          [Symbol.asyncDispose]: () => tracker[Symbol.asyncDispose](),
        };
        const hash = await register(api);
        /** What is set, and how far from the true time the tracker's clock must be before it is looked at. */
        const jumps: readonly (readonly [string, number, number])[] = [
          ["-2h", -3 * HOUR_MS, -HOUR_MS],
          ["+1y", YEAR_MS / 2, YEAR_MS * 2],
          ["@2040-01-01 00:00:00", 10 * YEAR_MS, 20 * YEAR_MS],
          ["+0", -5000, 5000],
          ["+0 x10", 5000, HOUR_MS],
        ];
        for (const [text, fromMs, toMs] of jumps) {
          await writeFile(file, `${text}\n`);
          await eventually(
            () => aheadMs(tracker),
            (ms) => ms > fromMs && ms < toMs,
          );
          expect(await meet(api, hash)).toEqual([{ host: "10.1.1.1", port: 1111 }]);
          const stats = Object(await (await api.fetch("/stats")).json());
          expect(Reflect.get(stats, "uptimeSeconds")).toBeWithin(0, 60);
        }
        expect(await tracker.kill("SIGTERM")).toBe(143);
        expect(tracker.stderr()).not.toMatch(/"level":"(ERROR|FATAL)"/);
      } finally {
        await removeDirectory(directory);
      }
    },
    60_000,
  );
});

/** @returns how far the tracker's clock is ahead of the true time, as its answers say */
async function aheadMs(tracker: RunningTracker): Promise<number> {
  const answer = await fetch(`${tracker.url}/ready`);
  expect(await answer.text()).toBe("I am ready");
  return Date.parse(answer.headers.get("date") ?? "") - Date.now();
}

/** One announces that it has the file, another asks for it.
 * @returns whom the other is told of */
async function meet(api: Api, hash: string) {
  const first = { hash, listening_host: "10.1.1.1", listening_port: 1111, left: 0 };
  expect((await post(api, "/peers", first)).status).toBe(200);
  const { peers } = await announce(api, hash, { left: 5 });
  return peers;
}
