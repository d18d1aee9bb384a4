import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { ProcessMeter } from "../bench/process-meter.ts";
import { FUZZ_SEED, fuzzRuns, Mutator } from "../support/fuzz.ts";
import { flood } from "../support/http-flood.ts";
import { probeReady, quantile } from "../support/ready-probe.ts";
import { createTestApp, startTracker } from "../support/tracker.ts";
import { REFUSALS, UNKNOWN_HASH, UNKNOWN_SWARM } from "../tracker/api-cases.ts";
import { hostileBodies } from "../tracker/hostile-bodies.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(400_000);

const MIB = 1024 * 1024;
const encoder = new TextEncoder();
const costs: string[] = [];
afterAll(() => {
  for (const cost of costs) process.stdout.write(`${cost}\n`);
});

const HASH = "6b1d2b8e-3c7a-4f0e-9a55-0d4c1f2e3a4b";
const GOOD = JSON.stringify({ hash: HASH, listening_host: "", listening_port: 6000, left: 0 });

/** Lines that servers have stumbled over; `\u0000` and above go out as single bytes. */
const HEADER_LINES: readonly string[] = [
  "x-forwarded-for: 9.9.9.9, garbage",
  `x-forwarded-for: ${"127.0.0.1, ".repeat(300)}`,
  'forwarded: for="[::1]"',
  "content-type: text/html",
  "content-type: application/json; charset=utf-7",
  "content-type:",
  "content-encoding: gzip",
  "content-encoding: br",
  "accept-encoding: br;q=1e999, gzip;q=-1",
  "origin: null",
  "origin: https://evil.example",
  "access-control-request-method: POST",
  "access-control-request-headers: x",
  "cookie: a=b; __proto__=c; a=\u00ff\u00fe",
  "authorization: Basic \u00ff",
  "range: bytes=0-18446744073709551615",
  "if-none-match: *",
  "expect: 100-continue",
  "x-http-method-override: DELETE",
  "__proto__: x",
  "constructor: x",
  "accept: */*;q=\u0080",
  "host: \u00e9",
  "host: a:99999999",
  `x-long: ${"a".repeat(7000)}`,
  "te: trailers, deflate",
  "referer: javascript:alert(1)",
  "user-agent: $(id) `id`",
];
const TARGETS: readonly string[] = [
  "/peers",
  "/peers",
  "/peers",
  "/hash",
  "/hash",
  "/ready",
  "/stats",
  "/",
  "/peers?x=1&__proto__=2",
  "/peers/",
  "//peers",
  "/%2e%2e/%2e%2e/etc/passwd",
  "/%",
  "/%ff%fe",
  "/\u00e9",
  "/?%=%&%",
  `/${"a".repeat(3000)}`,
  "http://evil.example/peers",
];
const METHODS = [
  ...Array.from({ length: 40 }, () => "POST"),
  "GET",
  "PUT",
  "HEAD",
  "OPTIONS",
  "DELETE",
  "PATCH",
];
/** What breaks the framing itself: each ends its connection. */
const BROKEN_LINES: readonly string[] = [
  "content-length: -1",
  "content-length: 1e3",
  "content-length: 99999999999999999999",
  "content-length: 5\r\ncontent-length: 6",
  "content-length: 5000000",
  "transfer-encoding: chunked\r\ncontent-length: 5",
  "transfer-encoding: gzip, chunked",
  "transfer-encoding: \u000bchunked",
  "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: x",
  "upgrade: h2c\r\nconnection: upgrade, http2-settings",
  "x-forwarded-for: \u0000",
  " folded: line",
  "no colon",
  ": no name",
  "x: \r",
  `x: ${"a".repeat(20_000)}`,
  ...Array.from({ length: 4 }, (_, at) => "a: b\r\n".repeat(50 * 4 ** at)),
];

function createRequests(seed: number) {
  const bodies = hostileBodies(HASH).map(({ body }) =>
    typeof body === "string" ? encoder.encode(body) : body,
  );
  const tokens = [
    "\u0000",
    '"',
    "{",
    "}",
    "[",
    "1e999",
    "null",
    "\\ud800",
    "__proto__",
    "\r\n\r\n",
  ];
  const mutator = new Mutator(
    seed,
    bodies,
    tokens.map((token) => encoder.encode(token)),
  );
  const { random } = mutator;
  const ordinary = (extra: readonly string[]): Uint8Array => {
    const method = random.pick(METHODS);
    const body = random.below(3) === 0 ? encoder.encode(GOOD) : mutator.next();
    const hasBody = method !== "GET" && method !== "HEAD";
    const lines = [
      `${method} ${random.below(4) > 0 ? "/peers" : random.pick(TARGETS)} HTTP/1.1`,
      "host: tracker.example",
      ...(random.below(4) === 0 ? [] : ["content-type: application/json"]),
      ...(hasBody ? [`content-length: ${body.length}`] : []),
      ...extra,
    ];
    const head = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
    return hasBody ? Buffer.concat([head, body]) : head;
  };
  const bytes = new Mutator(
    seed + 1,
    [ordinary([]), ordinary([]), encoder.encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
    [
      ...tokens.map((token) => encoder.encode(token)),
      encoder.encode("\r\n"),
      encoder.encode("transfer-encoding: chunked\r\n"),
    ],
  );
  return () => {
    const kind = random.below(40);
    if (kind === 0) return { text: bytes.next(), isLast: true };
    if (kind === 1) return { text: ordinary([random.pick(BROKEN_LINES)]), isLast: true };
    const lines = kind < 20 ? [random.pick(HEADER_LINES), random.pick(HEADER_LINES)] : [];
    return { text: ordinary(lines), isLast: false };
  };
}

describe("tracker, and nonsense", () => {
  test("FUZZ-4: 200,000 hostile requests over HTTP bring no 5xx, 256 MiB at most, and not one miss of /ready", async () => {
    await using tracker = await startTracker({ db: ":memory:" });
    const meter = new ProcessMeter(tracker.pid);
    meter.reset();
    const isOver = new AbortController();
    const probing = probeReady(tracker.url, isOver.signal, { pauseMs: 100 });
    const cpuBefore = process.cpuUsage();
    const startMs = performance.now();
    const count = fuzzRuns(200_000);
    const next = createRequests(FUZZ_SEED);
    const { statuses, sentBytes, unanswered } = await flood({
      port: tracker.port,
      count,
      connections: 64,
      next,
    });
    const seconds = (performance.now() - startMs) / 1000;
    isOver.abort();
    const { ready, missed, answeredMs } = await probing;
    meter.sample();
    const cpu = process.cpuUsage(cpuBefore);
    const theirSeconds = (cpu.user + cpu.system) / 1e6;
    const seen = Object.fromEntries([...statuses].toSorted(([left], [right]) => left - right));
    costs.push(
      `FUZZ-4: ${count} requests in ${seconds.toFixed(1)} s, answers ${JSON.stringify(seen)}, ${unanswered} without; ` +
        `theirs ${(sentBytes / MIB).toFixed(0)} MiB, ${theirSeconds.toFixed(1)} s CPU; ` +
        `ours ${meter.usage.cpuSeconds.toFixed(1)} s CPU, ${meter.usage.peakMib.toFixed(0)} MiB at most; ` +
        `ready ${ready} times, at worst after ${quantile(answeredMs, 1).toFixed(0)} ms`,
    );
    // 505 is what the runtime says to a version of HTTP that it cannot read.
    const failures = [...statuses.keys()].filter((status) => status >= 500 && status !== 505);
    expect(failures).toEqual([]);
    // It was no flood of one kind.
    for (const status of [200, 400, 404, 413, 415])
      expect(statuses.get(status)).toBeGreaterThan(count / 4000);
    expect(unanswered).toBeLessThan(count / 20);
    expect(meter.usage.peakMib).toBeLessThan(256);
    expect({ missed, isProbed: ready > 5 }).toEqual({ missed: 0, isProbed: true });
    expect(tracker.stderr()).not.toContain(HASH);
    expect(tracker.stderr().length).toBeLessThan(2000);
  });

  test("TRK-4: 100,000 bodies of all kinds get known statuses, fixed words, and leave nothing behind", async () => {
    const { app, store } = createTestApp({ clientAddress: () => "127.0.0.1" });
    const counts = new Map<number, number>();
    const ask = async (path: string, body: string): Promise<void> => {
      const headers = { "content-type": "application/json" };
      const request = new Request(`http://localhost${path}`, { method: "POST", headers, body });
      const answer = await app.handle(request);
      const text = await answer.text();
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
      if (answer.status === 200) return;
      // Nothing of what was sent, and nothing of an exception: only these words.
      if (![...REFUSALS, UNKNOWN_SWARM].includes(text)) throw new Error(`${body} gets ${text}`);
    };
    const run = (numRuns: number, seed: number) =>
      fc.assert(fc.asyncProperty(fc.constantFrom("/hash", "/peers"), bodies(), ask), {
        numRuns,
        seed,
      });
    const startMs = performance.now();
    await run(fuzzRuns(20_000), FUZZ_SEED);
    const beforeMib = heapMib();
    await run(fuzzRuns(80_000), FUZZ_SEED + 1);
    const grownMib = heapMib() - beforeMib;
    const seconds = (performance.now() - startMs) / 1000;
    const seen = Object.fromEntries([...counts].toSorted(([left], [right]) => left - right));
    costs.push(
      `TRK-4: ${fuzzRuns(100_000)} bodies in ${seconds.toFixed(1)} s, answers ${JSON.stringify(seen)}, ${grownMib.toFixed(1)} MiB more`,
    );
    expect([...counts.keys()].filter((status) => ![200, 400, 404].includes(status))).toEqual([]);
    for (const status of [200, 400, 404]) expect(counts.get(status)).toBeGreaterThan(fuzzRuns(100));
    expect(grownMib).toBeLessThan(50);
    await store[Symbol.asyncDispose]();
  });
});

/** @returns memory that is in use after everything else was given back, in MiB */
function heapMib(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed / MIB;
}

/** JSON that looks like a call, JSON that does not, and what is no JSON. */
function bodies(): fc.Arbitrary<string> {
  const value = fc.oneof(
    fc.string({ unit: "binary", maxLength: 20 }),
    fc.integer(),
    fc.double(),
    fc.constantFrom<unknown>(null, true, [], {}, { toString: 0 }, { toJSON: 0 }, [[]], "1", -1),
    fc.constantFrom(HASH, HASH.toUpperCase(), "80", 80, "started", 0, "127.1", "::1", "localhost"),
  );
  const names = ["hash", "listening_host", "listening_port", "peer", "event", "left", "want"];
  const name = fc.constantFrom(...names, "__proto__", "constructor", "toString", "");
  const fields = fc.array(fc.tuple(name, value), { maxLength: 3 });
  const [known, unknown] = [JSON.parse(GOOD), { ...JSON.parse(GOOD), hash: UNKNOWN_HASH, left: 1 }];
  return fc.oneof(
    fc
      .constantFrom(known, unknown, {})
      .chain((base) =>
        fields.map((changes) => JSON.stringify({ ...base, ...Object.fromEntries(changes) })),
      ),
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.json({ maxDepth: 2 }),
  );
}
