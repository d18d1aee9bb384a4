import { describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import { createTestTracker, runTracker, startTracker } from "../support/tracker.ts";
import { UNKNOWN_HASH } from "./api-cases.ts";

interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

function check(url: string, ...args: readonly string[]): Promise<Outcome> {
  return runTracker({ args: ["check", url, ...args] });
}

/** One clear line, with the exit code in it, and nothing else. */
function expectError({ exitCode, stderr }: Outcome, code: number, name: string): void {
  expect(stderr).toMatch(/^ERROR code=\d+ name=\w+: [^\n]+: [^\n]+; hint: [^\n]+\n$/);
  expect(stderr).toStartWith(`ERROR code=${code} name=${name}: `);
  expect(exitCode).toBe(code);
}

/** A web server that answers each path as told; an answer may lie. */
function startLiar(answers: Readonly<Record<string, () => Response | Promise<Response>>>) {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) =>
      answers[new URL(request.url).pathname]?.() ?? new Response("?", { status: 404 }),
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

const RIGHT: Readonly<Record<string, () => Response>> = {
  "/ready": () => new Response("I am ready"),
  "/stats": () =>
    Response.json({ swarms: 0, complete: 0, incomplete: 0, uptimeSeconds: 1, version: "1" }),
  "/hash": () => Response.json({ hash: UNKNOWN_HASH, interval: 30 }),
  "/peers": () => Response.json({ peers: [{ host: "10.0.0.1", port: 65_534 }], interval: 30 }),
};

describe("tracker check", () => {
  test("plays two peers at a real tracker, says how long each step took, and leaves nothing", async () => {
    await using tracker = await startTracker();
    const outcome = await check(tracker.url);
    expect({ exitCode: outcome.exitCode, stderr: outcome.stderr }).toEqual({
      exitCode: 0,
      stderr: "",
    });
    const lines = outcome.stdout.trimEnd().split("\n");
    const names = lines.slice(0, -1).map((line) => /^ok {2}(.+?) +[\d.]+ ms$/.exec(line)?.[1]);
    expect(names).toEqual([
      "ready",
      "stats",
      "register",
      "announce",
      "read back",
      "remove",
      "unknown hash",
    ]);
    expect(lines.at(-1)).toMatch(/^http:\/\/127\.0\.0\.1:\d+ works: 7 steps in \d+ ms$/);
  });

  test("leaves no peer in the store", async () => {
    await using tracker = await createTestTracker();
    expect((await check(`${tracker.url}/`)).exitCode).toBe(0);
    const totals = await tracker.store.totals(Date.now());
    expect([totals.complete, totals.incomplete]).toEqual([0, 0]);
  });

  test("with --ready only asks whether requests are taken, and makes no swarm", async () => {
    await using tracker = await createTestTracker();
    const { stdout, exitCode } = await check(tracker.url, "--ready");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^ok {2}ready +[\d.]+ ms\nhttp:\S+ works: 1 step in \d+ ms\n$/);
    expect((await tracker.store.totals(Date.now())).swarms).toBe(0);
    await using liar = startLiar({ "/ready": () => new Response("no", { status: 503 }) });
    expectError(await check(liar.url, "--ready"), 6, "tracker");
  });

  test("with --json gives one object a line, the last a summary", async () => {
    await using tracker = await createTestTracker();
    const { stdout, exitCode } = await check(tracker.url, "--json");
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(exitCode).toBe(0);
    expect(lines[0]).toMatchObject({ type: "start", v: 1 });
    expect(lines.filter(({ type }) => type === "step")).toHaveLength(7);
    expect(lines.at(-1)).toMatchObject({ type: "summary", result: "ok", exitCode: 0, steps: 7 });
  });

  test("says that nobody answers where none runs", async () => {
    const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { port } = server;
    server.stop(true);
    const outcome = await check(`http://127.0.0.1:${port}`, "--json");
    expectError(outcome, 6, "tracker");
    expect(outcome.stderr).toContain("no answer");
    const lines = outcome.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.slice(-2)).toMatchObject([
      { type: "error", code: 6, name: "tracker" },
      { type: "summary", result: "tracker", exitCode: 6 },
    ]);
  });

  test.each<[string, () => Response, string]>([
    ["a page", () => new Response("<html>welcome</html>"), "did not answer that it is ready"],
    ["a redirect", () => Response.redirect("http://127.0.0.1:1/", 302), "leads elsewhere"],
    ["without an end", () => new Response("x".repeat(300_000)), "said more than 262144 bytes"],
    ["an error", () => new Response("no", { status: 502 }), "/ready answered 502"],
  ])("refuses a server that answers with %s", async (_, answer, said) => {
    await using server = startLiar({ "/ready": answer });
    const outcome = await check(server.url);
    expectError(outcome, 6, "tracker");
    expect(outcome.stderr).toContain(said);
    expect(outcome.stdout).toBe("");
  });

  test.each<[string, Readonly<Record<string, () => Response>>, string, number]>([
    ["has no totals", { "/stats": () => Response.json({}) }, "has not the form", 1],
    ["makes no hash", { "/hash": () => Response.json({ hash: "1" }) }, "has not the form", 2],
    ["sends a limit", { "/hash": () => new Response("", { status: 429 }) }, "it answered 429", 2],
    [
      "forgets swarms",
      { "/peers": () => Response.json({ error: "?", peers: [] }, { status: 404 }) },
      "it forgot the swarm",
      3,
    ],
    [
      "forgets peers",
      { "/peers": () => Response.json({ peers: [], interval: 30 }) },
      "does not tell a peer of the other",
      4,
    ],
    ["never lets go", {}, "tells of a peer that has left", 5],
  ])("refuses a lying tracker that %s", async (_, lies, said, steps) => {
    await using server = startLiar({ ...RIGHT, ...lies });
    const outcome = await check(server.url);
    expectError(outcome, 6, "tracker");
    expect(outcome.stderr).toContain(said);
    expect(outcome.stdout.split("\n")).toHaveLength(steps + 1);
  });

  test("does not unpack a bomb", async () => {
    const bomb = Bun.gzipSync(new Uint8Array(64 * 1024 * 1024));
    await using server = startLiar({
      "/ready": () => new Response(bomb, { headers: { "content-encoding": "gzip" } }),
    });
    const outcome = await check(server.url);
    expectError(outcome, 6, "tracker");
    // Unpacked it would have been too long; as it came it is only wrong.
    expect(outcome.stderr).toContain("did not answer that it is ready");
  });

  test("needs its guards: an unguarded fetch unpacks, reads on and goes elsewhere (control)", async () => {
    const bomb = Bun.gzipSync(new Uint8Array(64 * 1024 * 1024));
    await using server = startLiar({
      "/bomb": () => new Response(bomb, { headers: { "content-encoding": "gzip" } }),
      "/long": () => new Response("x".repeat(300_000)),
      "/away": () => new Response("", { status: 302, headers: { location: "/ready" } }),
      "/ready": () => new Response("I am ready"),
    });
    const read = async (path: string) => (await fetch(server.url + path)).text();
    expect((await read("/bomb")).length).toBe(64 * 1024 * 1024);
    expect((await read("/long")).length).toBe(300_000);
    expect(await read("/away")).toBe("I am ready");
  });

  test("waits no longer than told for one that says nothing", async () => {
    const { promise: held, resolve: accepted } = Promise.withResolvers<void>();
    const server: Server = createServer(() => accepted());
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const outcome = await check(`http://127.0.0.1:${port}`, "--timeout", "200ms");
    await held;
    server.close();
    expectError(outcome, 13, "timeout");
    expect(outcome.stderr).toContain("no answer to /ready within 200 ms");
  });

  test("waits no longer than told for one that never ends", async () => {
    const trickle = (): Response =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode("I am")),
        }),
      );
    await using server = startLiar({ "/ready": trickle });
    expectError(await check(server.url, "--timeout", "200ms"), 13, "timeout");
  });

  test.each([
    [[]],
    [["ftp://tracker.example"]],
    [["tracker.example"]],
    [["http://me:secret@tracker.example"]],
    [["http://tracker.example?a=b"]],
    [["http://a", "http://b"]],
    [["http://a", "--timeout", "soon"]],
    [["http://a", "--timeout", "0"]],
    [["http://a", "--nope"]],
  ])("refuses the arguments %j", async (args) => {
    const outcome = await runTracker({ args: ["check", ...args] });
    expectError(outcome, 2, "usage");
    expect(outcome.stderr).not.toContain("secret");
  });

  test("explains itself", async () => {
    const { exitCode, stdout } = await runTracker({ args: ["check", "--help"] });
    expect(exitCode).toBe(0);
    expect(stdout).toStartWith("Usage: tracker check");
    expect((await runTracker({ args: ["help"] })).stdout).toContain("tracker check URL");
  });
});
