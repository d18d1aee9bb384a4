import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { gzipSync } from "node:zlib";
import { systemClock, systemRandom } from "../../peer/clock.ts";
import { TrackerError } from "../../peer/errors.ts";
import { createCertificate } from "../../peer/net/certificate.ts";
import { TrackerClient } from "../../peer/tracker-client.ts";
import type { PeersRequest } from "../../protocol/announce.ts";
import { failureOf } from "../support/eventually.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { createTestTracker } from "../support/tracker.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(60_000);

const HASH = "6f1e3a52-9c4b-4d7e-8a10-2b3c4d5e6f70";
const ANNOUNCE: PeersRequest = {
  hash: HASH,
  listening_host: "0.0.0.0",
  listening_port: 7000,
  left: 5,
};
const MIB = 2 ** 20;

interface HttpServer {
  readonly url: string;
  /** Requests that came in. */
  readonly requests: string[];
  /** Bytes that were handed to the client. */
  sentBytes: number;
}

function answerNothing(socket: Socket): void {
  const body = JSON.stringify({ peers: [], interval: 30 });
  socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
}

const running: Server[] = [];
const sockets = new Set<Socket>();
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(running.map((server) => new Promise((resolve) => server.close(resolve))));
});

/** A server that answers each request as it is told, byte by byte if it must be. */
async function serve(answer: (socket: Socket, server: HttpServer) => void): Promise<HttpServer> {
  const requests: string[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    let request = "";
    socket.on("data", (chunk) => {
      request += chunk.toString("latin1");
      if (!/\r\n\r\n[\s\S]*\}$/.test(request)) return;
      requests.push(request);
      request = "";
      answer(socket, result);
    });
  });
  running.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("It does not listen");
  const result: HttpServer = { url: `http://127.0.0.1:${address.port}`, requests, sentBytes: 0 };
  return result;
}

/** An answer in full, with its length. */
function whole(status: string, body: string | Uint8Array, headers = ""): (socket: Socket) => void {
  return (socket) => {
    const bytes = Buffer.from(body);
    socket.write(`HTTP/1.1 ${status}\r\ncontent-length: ${bytes.length}\r\n${headers}\r\n`);
    socket.end(bytes);
  };
}

/** Sends as fast as the client takes it, for ever. */
function endless(head: string): (socket: Socket, server: HttpServer) => void {
  return (socket, server) => {
    socket.write(head);
    const chunk = Buffer.alloc(65_536, "[");
    const pump = () => {
      while (!socket.destroyed) {
        server.sentBytes += chunk.length;
        if (!socket.write(chunk)) break;
      }
    };
    socket.on("drain", pump);
    pump();
  };
}

function peersJson(count: number): string {
  const peers = Array.from({ length: count }, (_, at) => ({
    host: `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`,
    port: 7000,
  }));
  return JSON.stringify({ peers });
}

interface Behaviour {
  readonly name: string;
  readonly answer: (socket: Socket, server: HttpServer) => void;
  readonly code: TrackerError["code"];
}

const ok = (body: string | Uint8Array, headers = "") => whole("200 OK", body, headers);

const BEHAVIOURS: readonly Behaviour[] = [
  { name: "500", answer: whole("500 Oops", "stack trace"), code: "rejected" },
  { name: "503 with words", answer: whole("503 Busy", '{"error":"busy"}'), code: "rejected" },
  { name: "400", answer: whole("400 Bad", '{"error":"bad"}'), code: "rejected" },
  { name: "404 of a web server", answer: whole("404 No", "<h1>Not found</h1>"), code: "rejected" },
  { name: "404 of another API", answer: whole("404 No", '{"error":"no"}'), code: "rejected" },
  {
    name: "404 of a tracker",
    answer: whole("404 No", '{"error":"unknown","peers":[]}'),
    code: "unknown_swarm",
  },
  {
    name: "a redirect",
    answer: whole("302 Found", "", "location: http://127.0.0.1:1/peers\r\n"),
    code: "unreachable",
  },
  {
    name: "a permanent redirect to itself",
    answer: whole("308 Moved", "", "location: /peers\r\n"),
    code: "unreachable",
  },
  { name: "an empty answer", answer: ok(""), code: "bad_answer" },
  { name: "204", answer: whole("204 None", ""), code: "bad_answer" },
  { name: "garbage", answer: ok(Buffer.from([0, 255, 254, 128, 1, 2, 3])), code: "bad_answer" },
  { name: "HTML", answer: ok("<!doctype html><title>Login</title>"), code: "bad_answer" },
  { name: "a list", answer: ok("[]"), code: "bad_answer" },
  { name: "null", answer: ok("null"), code: "bad_answer" },
  { name: "no peers", answer: ok('{"interval":30}'), code: "bad_answer" },
  { name: "peers as text", answer: ok('{"peers":"10.0.0.1:7000"}'), code: "bad_answer" },
  {
    name: "a port as text",
    answer: ok('{"peers":[{"host":"10.0.0.1","port":"7000"}]}'),
    code: "bad_answer",
  },
  {
    name: "a port out of range",
    answer: ok('{"peers":[{"host":"10.0.0.1","port":65536}]}'),
    code: "bad_answer",
  },
  {
    name: "an empty host",
    answer: ok('{"peers":[{"host":"","port":1}]}'),
    code: "bad_answer",
  },
  {
    name: "an interval below zero",
    answer: ok('{"peers":[],"interval":-1}'),
    code: "bad_answer",
  },
  { name: "1,001 peers", answer: ok(peersJson(1001)), code: "bad_answer" },
  { name: "100,000 peers", answer: ok(peersJson(100_000)), code: "bad_answer" },
  { name: "deep nesting", answer: ok("[".repeat(200_000)), code: "bad_answer" },
  {
    name: "a gzip bomb",
    answer: ok(gzipSync(Buffer.alloc(64 * MIB, " ")), "content-encoding: gzip\r\n"),
    code: "bad_answer",
  },
  {
    name: "an endless body",
    answer: endless("HTTP/1.1 200 OK\r\n\r\n"),
    code: "bad_answer",
  },
  {
    name: "an endless body of an error",
    answer: endless("HTTP/1.1 500 Oops\r\n\r\n"),
    code: "bad_answer",
  },
  {
    name: "a body cut midway",
    answer: (socket) => {
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"peers":[');
    },
    code: "unreachable",
  },
  { name: "no HTTP at all", answer: (socket) => socket.end("SSH-2.0-x\r\n"), code: "unreachable" },
  { name: "a closed connection", answer: (socket) => socket.destroy(), code: "unreachable" },
];

describe("TrackerClient", () => {
  test("announce and register understand a real tracker", async () => {
    await using tracker = await createTestTracker();
    const client = new TrackerClient(systemClock, `${tracker.url}///`);
    expect(client.url).toBe(tracker.url);
    const hash = await client.register({ listening_host: "0.0.0.0", listening_port: 7000 });
    const answer = await client.announce({ ...ANNOUNCE, hash, listening_port: 7001 });
    expect(answer.peers).toEqual([{ host: "127.0.0.1", port: 7000 }]);
    const unknown = await failureOf(client.announce(ANNOUNCE));
    expect(unknown).toMatchObject({ code: "unknown_swarm" });
    expect(unknown.message).toContain(tracker.url);
  });

  test("CLI-2: announce asks a name's address itself, says the name, and knows who answered", async () => {
    const server = await serve((socket) => answerNothing(socket));
    const { port } = new URL(server.url);
    const asked: string[] = [];
    const lookup = async (name: string) => {
      asked.push(name);
      return ["127.0.0.1"];
    };
    const client = new TrackerClient(systemClock, `http://tracker.invalid:${port}`, lookup);
    expect(client.answeredFrom).toBeUndefined();
    await client.announce(ANNOUNCE);
    expect(asked).toEqual(["tracker.invalid"]);
    expect(server.requests[0]).toMatch(new RegExp(`^host: tracker\\.invalid:${port}\r$`, "im"));
    expect(client.answeredFrom).toBe("127.0.0.1");
  });

  test("announce goes on to the name's next address when nobody answers at one", async () => {
    const server = await serve((socket) => answerNothing(socket));
    const { port } = new URL(server.url);
    const lookup = async () => ["127.0.0.2", "127.0.0.3", "127.0.0.1"];
    const client = new TrackerClient(systemClock, `http://tracker.invalid:${port}`, lookup);
    await client.announce(ANNOUNCE);
    expect(client.answeredFrom).toBe("127.0.0.1");
    // A name that is not known here may be known to a proxy; without one, nobody answers.
    const unknown = new TrackerClient(systemClock, `http://tracker.invalid:${port}`, () =>
      Promise.reject(new Error("No such name")),
    );
    expect(await failureOf(unknown.announce(ANNOUNCE))).toMatchObject({ code: "unreachable" });
    expect(unknown.answeredFrom).toBeUndefined();
  });

  test("announce over https wants the certificate of the name, not of its address", async () => {
    const certificate = await createCertificate(systemClock, systemRandom);
    const named = Promise.withResolvers<string>();
    const server = createTlsServer({
      ...certificate,
      SNICallback: (name, done) => {
        named.resolve(name);
        done(null);
      },
    });
    server.on("tlsClientError", () => undefined);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    running.push(server);
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    const lookup = async () => ["127.0.0.1"];
    const client = new TrackerClient(systemClock, `https://tracker.invalid:${port}`, lookup);
    // Nobody signed it: that it is refused shows that it was looked at.
    expect(await failureOf(client.announce(ANNOUNCE))).toMatchObject({ code: "unreachable" });
    expect(await named.promise).toBe("tracker.invalid");
  });

  for (const { name, answer, code } of BEHAVIOURS) {
    test(`CLI-5: announce says ${code} to ${name}, in little time and memory`, async () => {
      const server = await serve(answer);
      const client = new TrackerClient(systemClock, server.url);
      const before = process.memoryUsage.rss();
      const startMs = performance.now();
      const failure = await failureOf(client.announce(ANNOUNCE));
      expect(failure).toBeInstanceOf(TrackerError);
      expect(failure).toMatchObject({ code });
      expect(failure.message).toContain(server.url);
      expect(performance.now() - startMs).toBeLessThan(3000);
      expect(process.memoryUsage.rss() - before).toBeLessThan(64 * MIB);
      // Nothing but one request came, and what was sent was not taken in without end.
      expect(server.requests).toHaveLength(1);
      expect(server.sentBytes).toBeLessThan(32 * MIB);
    });
  }

  test("CLI-5: announce takes the largest answer that is allowed", async () => {
    const server = await serve(ok(peersJson(1000)));
    const { peers } = await new TrackerClient(systemClock, server.url).announce(ANNOUNCE);
    expect(peers).toHaveLength(1000);
  });

  test("CLI-5: announce gives up a tracker that is silent, or drips, after ten seconds", async () => {
    const silent = () => undefined;
    const dripping = (socket: Socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{"peers":[');
    };
    for (const answer of [silent, dripping]) {
      const clock = new FakeClock();
      const server = await serve(answer);
      const announcing = failureOf(new TrackerClient(clock, server.url).announce(ANNOUNCE));
      while (server.requests.length === 0) await Bun.sleep(5);
      await clock.advance(9_999);
      const early = await Promise.race([announcing, Bun.sleep(50).then(() => "waiting")]);
      expect(early).toBe("waiting");
      await clock.advance(2);
      expect(await announcing).toMatchObject({ code: "unreachable" });
      expect(clock.sleepers).toBe(0);
    }
  });

  test("CLI-5: announce tells how long the tracker asked to wait, an hour at most", async () => {
    for (const [header, seconds] of [
      ["retry-after: 7\r\n", 7],
      ["retry-after: 999999\r\n", 3600],
      ["retry-after: 9999999\r\n", undefined],
      ["retry-after: -5\r\n", undefined],
      ["retry-after: Wed, 21 Oct 2026 07:28:00 GMT\r\n", undefined],
      ["", undefined],
    ] as const) {
      const server = await serve(whole("503 Busy", "{}", header));
      const failure = await failureOf(
        new TrackerClient(systemClock, server.url).announce(ANNOUNCE),
      );
      expect(failure).toMatchObject({ code: "rejected", retryAfterSeconds: seconds });
    }
  });

  test("announce of a tracker that is not there says unreachable", async () => {
    const server = await serve(() => undefined);
    const last = running.pop();
    await new Promise((resolve) => last?.close(resolve));
    const failure = await failureOf(new TrackerClient(systemClock, server.url).announce(ANNOUNCE));
    expect(failure).toMatchObject({ code: "unreachable" });
  });

  test("announce ends with the signal's reason when it is aborted, before and meanwhile", async () => {
    const server = await serve(() => undefined);
    const client = new TrackerClient(systemClock, server.url);
    const before = client.announce(ANNOUNCE, AbortSignal.abort(new Error("too late")));
    expect(before).rejects.toThrow("too late");
    const stop = new AbortController();
    const announcing = failureOf(client.announce(ANNOUNCE, stop.signal));
    while (server.requests.length === 0) await Bun.sleep(5);
    stop.abort(new Error("enough"));
    expect((await announcing).message).toBe("enough");
  });

  test("announce asks for nothing compressed and sends what was given", async () => {
    const server = await serve(ok('{"peers":[]}'));
    await new TrackerClient(systemClock, server.url).announce({ ...ANNOUNCE, event: "started" });
    const [request = ""] = server.requests;
    expect(request).toStartWith("POST /peers HTTP/1.1\r\n");
    expect(request.toLowerCase()).toContain("accept-encoding: identity\r\n");
    expect(request.toLowerCase()).toContain("content-type: application/json\r\n");
    expect(JSON.parse(request.slice(request.indexOf("\r\n\r\n")))).toEqual({
      ...ANNOUNCE,
      event: "started",
    });
  });

  test("register refuses a hash that is no uuid", async () => {
    for (const body of ['{"hash":"../../etc/passwd"}', '{"hash":7}', "{}"]) {
      const server = await serve(ok(body));
      const registering = new TrackerClient(systemClock, server.url).register({
        listening_host: "",
        listening_port: 1,
      });
      expect(await failureOf(registering)).toMatchObject({ code: "bad_answer" });
    }
    const server = await serve(ok(`{"hash":"${HASH.toUpperCase()}"}`));
    const client = new TrackerClient(systemClock, server.url);
    const hash: string = await client.register({ listening_host: "", listening_port: 1 });
    expect(hash).toBe(HASH);
  });
});

describe("TrackerClient.ping", () => {
  test("ping is content with any answer, and says when there is none", async () => {
    for (const status of [200, 302, 404, 500]) {
      const headers = { location: "http://127.0.0.1:1/" };
      let asked = 0;
      await using server = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        fetch: () => {
          asked++;
          return new Response("whatever", { status, headers });
        },
      });
      await new TrackerClient(systemClock, `http://127.0.0.1:${server.port}`).ping();
      expect(asked).toBe(1);
    }
    for (const url of ["http://127.0.0.1:1"]) {
      const error = await failureOf(new TrackerClient(systemClock, url).ping());
      expect(error).toBeInstanceOf(TrackerError);
      expect(error).toMatchObject({ code: "unreachable" });
    }
  });

  test("ping ends with the signal's reason", async () => {
    const reason = new Error("stopped");
    const ping = new TrackerClient(systemClock, "http://127.0.0.1:1").ping(
      AbortSignal.abort(reason),
    );
    expect(await failureOf(ping)).toBe(reason);
  });
});
