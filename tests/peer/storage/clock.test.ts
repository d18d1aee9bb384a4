import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { systemClock, systemRandom } from "../../../peer/clock.ts";
import { failureOf } from "./fixtures.ts";

describe("systemClock", () => {
  test("systemClock sleeps for at least the time asked", async () => {
    const before = systemClock.monotonic();
    await systemClock.sleep(20);
    // A timer counts whole milliseconds, the monotonic clock fractions of them.
    expect(systemClock.monotonic() - before).toBeGreaterThan(18);
  });

  test("systemClock's sleep ends with the signal's reason, also when that came before", async () => {
    const abort = new AbortController();
    const sleeping = systemClock.sleep(3_600_000, { signal: abort.signal });
    abort.abort(new Error("enough"));
    expect(String(await failureOf(sleeping))).toBe("Error: enough");
    const later = systemClock.sleep(3_600_000, { signal: abort.signal });
    expect(String(await failureOf(later))).toBe("Error: enough");
  });

  test("systemClock's background sleep does not keep a process alive, another does", async () => {
    const clock = join(import.meta.dir, "../../../peer/clock.ts");
    async function exitOf(ms: number, options: string): Promise<string> {
      const code = `import { systemClock } from ${JSON.stringify(clock)};
        systemClock.sleep(${ms}, ${options}).then(() => console.log("woke"));`;
      const child = Bun.spawn([process.execPath, "-e", code], { stdout: "pipe" });
      await child.exited;
      return await new Response(child.stdout).text();
    }
    expect(await exitOf(3_600_000, "{ background: true }")).toBe("");
    expect(await exitOf(50, "{}")).toBe("woke\n");
  });
});

describe("systemRandom", () => {
  test("systemRandom gives as many bytes as asked, also more than the system gives at once", () => {
    for (const count of [0, 1, 65_536, 200_000]) {
      const bytes = systemRandom.bytes(count);
      expect(bytes.length).toBe(count);
      if (count > 1000) expect(new Set(bytes.subarray(-1000)).size).toBeGreaterThan(200);
    }
  });

  test("systemRandom draws every number below the limit, none above", () => {
    for (const limit of [1, 2, 7]) {
      const drawn = new Set(Array.from({ length: 1000 }, () => systemRandom.below(limit)));
      expect([...drawn].toSorted()).toEqual(Array.from({ length: limit }, (_, at) => at));
    }
    const large = Array.from({ length: 100 }, () => systemRandom.below(2 ** 32));
    expect(Math.max(...large)).toBeGreaterThan(2 ** 31);
  });
});
