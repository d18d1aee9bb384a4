import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Value } from "@sinclair/typebox/value";
import { PeersRequest } from "../../protocol/announce.ts";
import {
  type Announcer,
  again,
  type Crowd,
  changing,
  founders,
  joiners,
  newcomers,
  sizeOf,
} from "../bench/load/crowd.ts";
import {
  type Answers,
  compileLoad,
  type LoadOptions,
  load,
  parseAnswers,
} from "../bench/load/load.ts";
import { formatRequest, infoHash, writeRequests } from "../bench/load/requests.ts";
import { createTestTracker } from "../support/tracker.ts";

const CROWD: Crowd = { firstSwarm: 5, swarms: 4, firstPeer: 1000, peersEach: 6 };
const ANSWERS: Answers = {
  answered: 10,
  errors: 0,
  non2xx: 1,
  seconds: 0.5,
  cpuSeconds: 0.01,
  p50Us: 105,
  p99Us: 995,
  maxUs: 1200,
};

let directory = "";
let program: string | undefined;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "load-"));
  program = await compileLoad(directory);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function peersOf(announcers: Iterable<Announcer>): readonly number[] {
  return [...announcers].map(({ peer }) => peer).sort((left, right) => left - right);
}

describe("Crowd", () => {
  test("founders and joiners are everybody once, a complete one first in each swarm", () => {
    const first = [...founders(CROWD)];
    expect(first.map(({ swarm, isComplete }) => [swarm, isComplete])).toEqual(
      [5, 6, 7, 8].map((swarm) => [swarm, true]),
    );
    const everybody = Array.from({ length: sizeOf(CROWD) }, (_, at) => 1000 + at);
    expect(peersOf([...first, ...joiners(CROWD)])).toEqual(everybody);
    expect(peersOf(again(CROWD))).toEqual(everybody);
  });

  test("changing, in a circle, never says what the peer said before; again always does", () => {
    const said = new Map(
      [...founders(CROWD), ...joiners(CROWD)].map(({ peer, isComplete }) => [peer, isComplete]),
    );
    for (const { peer, isComplete } of again(CROWD)) expect(said.get(peer)).toBe(isComplete);
    for (const { peer, isComplete } of [...changing(CROWD), ...changing(CROWD)]) {
      expect(said.get(peer)).toBe(!isComplete);
      said.set(peer, isComplete);
    }
  });

  test("newcomers are never seen before, and come to swarms that are known", () => {
    const come = [0, 7].flatMap((skip) => [...newcomers(CROWD, { count: 7, skip })]);
    expect(peersOf(come)).toEqual(Array.from({ length: 14 }, (_, at) => 1024 + at));
    expect(new Set(come.map(({ swarm }) => swarm))).toEqual(new Set([5, 6, 7, 8]));
  });
});

describe("formatRequest", () => {
  const announcer: Announcer = { swarm: 70_000, peer: 999_999, place: 99, isComplete: false };

  test("formatRequest makes announces that our schema takes, their length right", () => {
    for (const connections of ["keep", "close"] as const) {
      const text = formatRequest(announcer, { protocol: "ours", connections });
      const [head = "", body = ""] = text.split("\r\n\r\n");
      expect(head).toStartWith("POST /peers HTTP/1.1\r\n");
      expect(head).toContain(`\r\nContent-Length: ${body.length}`);
      expect(head.includes("\r\nConnection: close")).toBe(connections === "close");
      expect(Value.Check(PeersRequest, JSON.parse(body))).toBe(true);
      expect(JSON.parse(body).left).toBe(1);
    }
  });

  test("formatRequest gives BitTorrent's trackers 20 bytes of hash and of id", () => {
    const text = formatRequest(announcer, { protocol: "bittorrent", connections: "close" });
    const [, query = ""] = /^GET \/announce\?(\S+) HTTP\/1\.1\r\n/.exec(text) ?? [];
    const hash = /info_hash=((?:%[0-9a-f]{2}){20})&/.exec(query)?.[1];
    expect(hash?.replaceAll("%", "")).toBe(infoHash(70_000));
    expect(new URLSearchParams(query).get("peer_id")).toHaveLength(20);
    expect(text).toEndWith("\r\nConnection: close\r\n\r\n");
  });
});

test("writeRequests puts each request's length before it, across chunks too", async () => {
  const path = join(directory, "lengths");
  const wanted = Array.from({ length: 1500 }, (_, at) => `${at}`.repeat(250));
  await writeRequests(path, wanted);
  const bytes = Buffer.from(await Bun.file(path).bytes());
  const found: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    found.push(bytes.toString("latin1", at + 4, at + 4 + length));
    at += 4 + length;
  }
  expect(bytes.length).toBeGreaterThan(1 << 20);
  expect(found).toEqual(wanted);
});

test("parseAnswers takes what load prints and nothing else", () => {
  expect(parseAnswers(JSON.stringify(ANSWERS))).toEqual(ANSWERS);
  for (const wrong of [{ ...ANSWERS, errors: -1 }, { ...ANSWERS, p99Us: "1" }, {}])
    expect(() => parseAnswers(JSON.stringify(wrong))).toThrow("Cannot read what load printed");
});

describe.skipIf(Bun.which("cc") === null)("load.c", () => {
  async function run(
    port: number,
    requests: readonly string[],
    options: Partial<LoadOptions> = {},
  ): Promise<Answers> {
    if (program === undefined) throw new Error("The load generator was not made");
    const path = join(directory, `requests-${port}`);
    await writeRequests(path, requests);
    const own = { connections: 4, mode: "keep", seconds: 20, order: "once" } as const;
    return await load(program, { ...own, port, requests: path, ...options });
  }

  /** A server of bytes: what it does with each request, told by its text. */
  function serve(onRequest: (text: string, socket: Bun.Socket) => void) {
    const server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (socket, chunk) => onRequest(chunk.toString(), socket) },
    });
    return { port: server.port, [Symbol.dispose]: () => server.stop(true) };
  }

  test("load.c asks a real tracker once for each request, over kept connections and new ones", async () => {
    await using tracker = await createTestTracker();
    for (const [at, mode] of (["keep", "close"] as const).entries()) {
      const crowd = { ...CROWD, swarms: 20, firstSwarm: 100 * at, firstPeer: 1000 * at };
      const options = { protocol: "ours", connections: mode } as const;
      const format = (one: Announcer) => formatRequest(one, options);
      const [first, rest] = [[...founders(crowd)].map(format), [...joiners(crowd)].map(format)];
      const unknown = await run(tracker.port, rest, { mode });
      expect([unknown.answered, unknown.non2xx > 0, unknown.errors]).toEqual([100, true, 0]);
      for (const [requests, answered] of [
        [first, 20],
        [rest, 100],
      ] as const) {
        const answers = await run(tracker.port, requests, { mode });
        expect(answers).toMatchObject({ answered, errors: 0, non2xx: 0 });
        expect(answers.p50Us).toBeLessThanOrEqual(answers.p99Us);
      }
      const { complete, incomplete } = await tracker.store.totals(Date.now());
      expect([complete, incomplete]).toEqual([60 * (at + 1), 60 * (at + 1)]);
    }
  });

  test("load.c begins again in a circle until the time is over", async () => {
    using server = serve((_, socket) =>
      socket.write("HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n"),
    );
    const answers = await run(server.port, ["a", "b"], { order: "cycle", seconds: 0.2 });
    expect(answers.answered).toBeGreaterThan(2);
    expect(answers).toMatchObject({ errors: 0, non2xx: 0 });
  });

  test("load.c counts an answer that comes in pieces once, and other statuses as such", async () => {
    using server = serve((text, socket) => {
      socket.write(`HTTP/1.1 ${text} X\r\ncontent-length: 5\r\n\r`);
      socket.flush();
      queueMicrotask(() => socket.write("\nhello"));
    });
    const answers = await run(server.port, ["200", "404", "201", "503"], { connections: 1 });
    expect(answers).toMatchObject({ answered: 4, errors: 0, non2xx: 2 });
  });

  test("load.c takes the connection's end for an answer's end only where there is no length", async () => {
    using server = serve((text, socket) => {
      socket.end(`HTTP/1.1 200 OK\r\n${text === "short" ? "Content-Length: 9\r\n" : ""}\r\nhello`);
    });
    const answers = await run(server.port, ["short", "whole", "short", "whole", "whole"]);
    expect(answers).toMatchObject({ answered: 3, errors: 2, non2xx: 0 });
  });

  test("load.c counts who is refused or never answered, and ends", async () => {
    using silent = serve(() => {});
    const ignored = await run(silent.port, ["a", "b", "c"], { seconds: 0.1 });
    expect(ignored).toMatchObject({ answered: 0, errors: 3 });
    const refused = await run(1, ["a", "b", "c"], { seconds: 0.1 });
    expect(refused).toMatchObject({ answered: 0, errors: 3 });
  });
});
