import { describe, expect, test } from "bun:test";
import { configureSync, getLogger, type LogRecord, resetSync } from "@logtape/logtape";
import { type AddressRange, parseAddressRange } from "../../tracker/address-range.ts";
import { systemClock } from "../../tracker/clock.ts";
import { createForwardedAddress } from "../../tracker/forwarded-address.ts";
import { IndexedSwarmStore } from "../../tracker/swarm-store/indexed.ts";
import { rawPost, sayRaw, statusOf } from "../support/raw-http.ts";
import { createRecordingStore } from "../support/recording-store.ts";
import { createTestTracker, eventually, SeededRandom, startTracker } from "../support/tracker.ts";

const log = getLogger("test-forwarded");

function rangesOf(...texts: readonly string[]): readonly AddressRange[] {
  return texts.map((text) => {
    const range = parseAddressRange(text);
    if (range === undefined) throw new Error(`No range: ${text}`);
    return range;
  });
}

/** Header lines as a trusted proxy at 127.0.0.1 sends them, and who calls; undefined is refused. */
const SHAPES: readonly (readonly [readonly string[], string | undefined])[] = [
  [[], "127.0.0.1"],
  [["x-forwarded-for: 9.9.9.9"], "9.9.9.9"],
  [["X-FORWARDED-FOR:9.9.9.9"], "9.9.9.9"],
  [["x-forwarded-for: \t 9.9.9.9 \t"], "9.9.9.9"],
  [["x-forwarded-for: 1.2.3.4, 9.9.9.9"], "9.9.9.9"],
  [["x-forwarded-for: 1.2.3.4,9.9.9.9"], "9.9.9.9"],
  [["x-forwarded-for: 1.2.3.4", "x-forwarded-for: 9.9.9.9"], "9.9.9.9"],
  [["x-forwarded-for: 9.9.9.9", "X-Forwarded-For: 10.1.1.1"], "9.9.9.9"],
  [["x-forwarded-for: 9.9.9.9, 10.1.1.1, 127.0.0.1"], "9.9.9.9"],
  [["x-forwarded-for: 8.8.8.8, 9.9.9.9, 10.1.1.1"], "9.9.9.9"],
  [["x-forwarded-for: 10.1.1.2, 10.1.1.1"], "10.1.1.2"],
  [["x-forwarded-for: garbage, 9.9.9.9"], "9.9.9.9"],
  [["x-forwarded-for: , , 9.9.9.9"], "9.9.9.9"],
  [["x-forwarded-for: 127.0.0.1, 9.9.9.9"], "9.9.9.9"],
  [["x-forwarded-for: 2600::1"], "2600::1"],
  [["x-forwarded-for: 2600:0:0::0001"], "2600::1"],
  [["x-forwarded-for: [2600::1]"], "2600::1"],
  [["x-forwarded-for: [2600::1]:4711"], "2600::1"],
  [["x-forwarded-for: 9.9.9.9:4711"], "9.9.9.9"],
  [["x-forwarded-for: ::ffff:9.9.9.9"], "9.9.9.9"],
  [["x-forwarded-for: ::ffff:10.1.1.1"], "10.1.1.1"],
  [["x-forwarded-for: 9.9.9.9, fd00::1"], "9.9.9.9"],
  [["forwarded: for=8.8.8.8", "x-real-ip: 8.8.8.8", "cf-connecting-ip: 8.8.8.8"], "127.0.0.1"],
  [["x-forwarded-for:"], undefined],
  [["x-forwarded-for: 9.9.9.9,"], undefined],
  [["x-forwarded-for: unknown"], undefined],
  [["x-forwarded-for: 9.9.9.9, garbage"], undefined],
  [["x-forwarded-for: 9.9.9.9, garbage, 10.1.1.1"], undefined],
  [["x-forwarded-for: 9.9.9.9 8.8.8.8"], undefined],
  [["x-forwarded-for: 9.9.9"], undefined],
  [["x-forwarded-for: 0x09090909"], undefined],
  [["x-forwarded-for: 9.9.9.9:"], undefined],
  [["x-forwarded-for: 9.9.9.9:port"], undefined],
  [["x-forwarded-for: [2600::1"], undefined],
  [["x-forwarded-for: 2600::1%eth0"], undefined],
  [["x-forwarded-for: localhost"], undefined],
  [['x-forwarded-for: "9.9.9.9"'], undefined],
  [["x-forwarded-for: for=9.9.9.9"], undefined],
  [[`x-forwarded-for: 9.9.9.9${", 10.1.1.1".repeat(40)}`], undefined],
  [[`x-forwarded-for: ${"9.9.9.9, ".repeat(1000)}9.9.9.9`], "9.9.9.9"],
];

describe("createForwardedAddress", () => {
  test("TRK-3: knows who calls by more than twenty shapes of headers, over real connections", async () => {
    expect(SHAPES.length).toBeGreaterThanOrEqual(20);
    const { store, announces } = createRecordingStore(
      IndexedSwarmStore.inMemory(systemClock, new SeededRandom(1)),
    );
    const trusted = rangesOf("127.0.0.1", "10.0.0.0/8", "fd00::/8");
    const clientAddress = createForwardedAddress(log, trusted);
    await using tracker = await createTestTracker({ store, clientAddress });
    for (const [lines, expected] of SHAPES) {
      const body = { listening_host: "", listening_port: 6000 };
      const answer = await sayRaw(tracker.port, rawPost({ path: "/hash", body, lines }));
      const shown = lines.map((line) => line.slice(0, 80));
      const stored = announces.pop()?.host;
      expect({ shown, stored }).toEqual({ shown, stored: expected });
      expect(statusOf(answer)).toBe(expected === undefined ? 400 : 200);
      if (expected !== undefined) continue;
      expect(answer).toEndWith(
        '{"error":"The proxy does not say who calls","code":"bad_forwarded"}',
      );
      expect(answer.toLowerCase()).toContain("\r\nx-content-type-options: nosniff\r\n");
    }
  });

  test("TRK-3: from others the header counts for nothing, whatever its shape", async () => {
    for (const trusted of [[], rangesOf("10.0.0.0/8", "127.0.0.2", "::/0")]) {
      const { store, announces } = createRecordingStore(
        IndexedSwarmStore.inMemory(systemClock, new SeededRandom(1)),
      );
      const clientAddress = createForwardedAddress(log, trusted);
      await using tracker = await createTestTracker({ store, clientAddress });
      for (const [lines] of SHAPES) {
        const body = { listening_host: "", listening_port: 6000 };
        const answer = await sayRaw(tracker.port, rawPost({ path: "/hash", body, lines }));
        expect(statusOf(answer)).toBe(200);
        expect(announces.pop()?.host).toBe("127.0.0.1");
      }
    }
  });

  test("says once, and only where a header is not believed, which flag would believe it", () => {
    const records: LogRecord[] = [];
    const sink = (record: LogRecord) => records.push(record);
    const loggers = [
      { category: "test-forwarded", sinks: ["out"] },
      { category: ["logtape", "meta"], lowestLevel: "error" as const, sinks: ["out"] },
    ];
    configureSync({ reset: true, sinks: { out: sink }, loggers });
    try {
      const clientAddress = createForwardedAddress(log, rangesOf("10.0.0.0/8"));
      const ask = (address: string, header?: string) =>
        clientAddress(
          new Request(
            "http://x/",
            header === undefined ? {} : { headers: { "x-forwarded-for": header } },
          ),
          { requestIP: () => ({ address }) },
        );
      expect(ask("::ffff:127.0.0.1")).toBe("::ffff:127.0.0.1");
      expect(ask("10.0.0.1", "9.9.9.9")).toBe("9.9.9.9");
      expect(records).toHaveLength(0);
      expect(ask("::ffff:127.0.0.1", "9.9.9.9")).toBe("::ffff:127.0.0.1");
      expect(ask("127.0.0.1", "9.9.9.8")).toBe("127.0.0.1");
      expect(records.map(({ level, message }) => `${level}: ${message.join("")}`)).toEqual([
        "warning: A request from 127.0.0.1 carries X-Forwarded-For, which is not believed; if that is your proxy: --trust-proxy 127.0.0.1",
      ]);
    } finally {
      resetSync();
    }
  });

  test("TRK-3: a tracker process says it in its log", async () => {
    await using tracker = await startTracker({ db: ":memory:" });
    for (let asked = 0; asked < 3; asked++)
      await fetch(`${tracker.url}/ready`, { headers: { "x-forwarded-for": "9.9.9.9" } });
    await eventually(tracker.stderr, (text) => text.includes("--trust-proxy 127.0.0.1"));
    expect(tracker.stderr().match(/X-Forwarded-For/g)).toHaveLength(1);
  });
});
