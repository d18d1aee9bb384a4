import { describe, expect, test } from "bun:test";
import { Value } from "@sinclair/typebox/value";
import type { AddressClass, AddressPolicy } from "../../protocol/address-policy.ts";
import { ErrorResponse } from "../../protocol/announce.ts";
import { systemClock } from "../../tracker/clock.ts";
import { IndexedSwarmStore } from "../../tracker/swarm-store/indexed.ts";
import { LITERALS, NO_LITERALS } from "../support/addresses.ts";
import { createRecordingStore } from "../support/recording-store.ts";
import { createTestApp, SeededRandom, startTracker } from "../support/tracker.ts";
import { type Api, announce, post, register } from "./api-cases.ts";

/** Names, and what a tracker keeps that keeps names. */
const NAMES: readonly (readonly [string, string])[] = [
  ["Peer.Example", "peer.example"],
  ["localhost", "localhost"],
  ["metadata.google.internal", "metadata.google.internal"],
];
const NOBODY: readonly string[] = ["", " ", "*", "0:0:0:0:0:0:0:0"];
/** One caller of each kind. */
const CALLERS: Readonly<Partial<Record<AddressClass, string>>> = {
  public: "9.9.9.9",
  private: "192.168.7.7",
  uniqueLocal: "fd12::7",
  carrierGradeNat: "100.64.7.7",
  loopback: "127.0.0.7",
};
const POLICIES: readonly AddressPolicy[] = ["source", "lan", "compat"];
const IS_PRIVATE =
  /^(10\.|127\.|0\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|22[4-9]\.|2[345]\d\.|::|f[cdef]|64:ff9b|2002:|2001:0?:)/i;

/** The canonical form of a literal, by another reader of addresses than the tracker's. */
function canonical(literal: string): string {
  if (!literal.includes(":")) return literal;
  const bare = literal.replace(/^\[|\]$/g, "");
  const text = new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(text) ?? [];
  if (high === undefined || low === undefined) return text;
  const [left, right] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [left >> 8, left & 255, right >> 8, right & 255].join(".");
}

interface Case {
  readonly policy: AddressPolicy;
  readonly callerClass: AddressClass;
  readonly source: string;
  readonly host: string;
}

/** What is stored by the rules as they are written down: host and zone, or why not. */
function oracle({ policy, callerClass, source, host }: Case): string {
  const own = policy === "source" || (policy === "lan" && callerClass === "loopback");
  const asSeen = `${source} ${own ? callerClass : "public"}`;
  if (policy === "source" || NOBODY.includes(host)) return asSeen;
  const name = NAMES.find(([sent]) => sent === host)?.[1];
  if (name !== undefined) return `${name} public`;
  const hostClass = LITERALS.find(([sent]) => sent === host)?.[1];
  if (hostClass === "unspecified") return asSeen;
  return hostClass === undefined
    ? "bad_host"
    : storedLiteral({ policy, callerClass, host, hostClass });
}

interface LiteralCase extends Omit<Case, "source"> {
  readonly hostClass: AddressClass;
}

function storedLiteral({ policy, callerClass, host, hostClass }: LiteralCase): string {
  if (hostClass === "unusable") return "bad_host";
  if (hostClass !== "loopback" || policy === "compat") return `${canonical(host)} public`;
  return callerClass === "loopback" ? `${canonical(host)} loopback` : "bad_host";
}

function openApi(policy: AddressPolicy, seen: { source: string | undefined }) {
  const recording = createRecordingStore(
    IndexedSwarmStore.inMemory(systemClock, new SeededRandom(1)),
  );
  const { app } = createTestApp({
    store: recording.store,
    addressPolicy: policy,
    clientAddress: () => seen.source,
  });
  const api: Api = {
    fetch: (path, init) => app.handle(new Request(`http://localhost${path}`, init)),
    [Symbol.asyncDispose]: () => recording.store[Symbol.asyncDispose](),
  };
  return { api, announces: recording.announces };
}

function hostsOfAllKinds(): readonly string[] {
  const literals = LITERALS.map(([literal]) => literal);
  const others = NO_LITERALS.filter((text) => !["localhost", "peer.example"].includes(text));
  return [...new Set([...literals, ...others, ...NAMES.map(([name]) => name), ...NOBODY])];
}

describe("stored address", () => {
  test.each(POLICIES)(
    "TRK-1: under %s every host of every caller is stored as the table says",
    async (policy) => {
      const seen: { source: string | undefined } = { source: undefined };
      const { api, announces } = openApi(policy, seen);
      const hosts = hostsOfAllKinds();
      expect(hosts.length).toBeGreaterThanOrEqual(60);
      const callers = Object.entries(CALLERS) as [AddressClass, string][];
      const cases = callers.flatMap(([callerClass, source]) =>
        hosts.map((host) => ({ policy, callerClass, source, host })),
      );
      for (const each of cases) {
        seen.source = each.source;
        const answer = await post(api, "/hash", {
          listening_host: each.host,
          listening_port: 6000,
        });
        const last = announces.pop();
        const code =
          answer.status === 200 ? undefined : Value.Parse(ErrorResponse, answer.json).code;
        const stored = last === undefined ? code : `${last.host} ${last.zone}`;
        expect({ ...each, stored, isTaken: last !== undefined }).toEqual({
          ...each,
          stored: oracle(each),
          isTaken: answer.status === 200,
        });
      }
      await api[Symbol.asyncDispose]();
    },
  );

  test.each(POLICIES)("TRK-1: %s: which ports are taken", async (policy) => {
    const { api, announces } = openApi(policy, { source: "9.9.9.9" });
    for (const port of [1, 25, 53, 1023, "0300", 1024]) {
      const { status, json } = await post(api, "/hash", {
        listening_host: "9.9.9.9",
        listening_port: port,
      });
      const taken = { policy, status: 200, port: Number(port), code: undefined };
      const refused = { policy, status: 400, port: undefined, code: "bad_port" };
      const code = Value.Check(ErrorResponse, json) ? json.code : undefined;
      const isLow = policy === "source" && Number(port) < 1024;
      const outcome = { policy, status, port: announces.pop()?.port, code };
      expect(outcome).toEqual(isLow ? refused : taken);
    }
    await api[Symbol.asyncDispose]();
  });

  test("TRK-1: source refuses callers from where nobody can be called back", async () => {
    for (const source of [
      undefined,
      "169.254.7.7",
      "0.0.0.0",
      "2002:7f00:1::1",
      "unix",
      "fe80::1",
    ]) {
      const { api } = openApi("source", { source });
      const answer = await post(api, "/hash", { listening_host: "9.9.9.9", listening_port: 6000 });
      expect(answer).toMatchObject({ status: 400, json: { code: "bad_host" } });
      await api[Symbol.asyncDispose]();
    }
  });

  test("TRK-1: under source no answer leads a public caller into a private network", async () => {
    expect(await askAfterAll("source", "9.9.9.8")).toEqual({ publicPeers: 1, privatePeers: 0 });
    // Who stands in such a network is told of it.
    expect(await askAfterAll("source", "192.168.7.8")).toEqual({ publicPeers: 1, privatePeers: 1 });
  });

  test("TRK-1's control: under compat the same answers lead there", async () => {
    expect((await askAfterAll("compat", "9.9.9.8")).privatePeers).toBeGreaterThan(10);
  });

  test("TRK-1: a tracker process behind a proxy tells public callers of no private address", async () => {
    const args = ["--trust-proxy", "127.0.0.1", "--rate-limit", "0"];
    await using tracker = await startTracker({ db: ":memory:", args });
    let caller = "";
    const api: Api = {
      fetch: (path, init) => {
        const headers = { "content-type": "application/json", "x-forwarded-for": caller };
        return fetch(tracker.url + path, { ...init, headers });
      },
      [Symbol.asyncDispose]: () => tracker[Symbol.asyncDispose](),
    };
    const hosts = hostsOfAllKinds();
    caller = "9.9.9.9";
    const hash = await register(api);
    for (const source of Object.values(CALLERS)) {
      caller = source;
      for (const [at, host] of hosts.slice(0, 40).entries())
        await announce(api, hash, { listening_host: host, listening_port: 6000 + at });
    }
    caller = "9.9.9.8";
    const seen = new Set<string>();
    for (let asked = 0; asked < 60; asked++) {
      const { peers } = await announce(api, hash, { listening_port: 7000 });
      for (const { host } of peers) seen.add(host);
    }
    expect([...seen]).toEqual(["9.9.9.9"]);
  });
});

describe("tracker process that believes strangers", () => {
  test.each([
    ["source", false],
    ["lan", true],
    ["compat", true],
  ] as const)("TRK-1: with %s behind a proxy it warns: %p", async (policy, warns) => {
    const args = ["--trust-proxy", "127.0.0.1", "--address-policy", policy];
    await using tracker = await startTracker({ db: ":memory:", args });
    expect(tracker.stderr().includes("unless you mean that: --address-policy source")).toBe(warns);
  });
});

/** Lets callers of every kind announce every host, each in a swarm of many, and asks who is there.
 * @returns of how many machines the asker is told */
async function askAfterAll(policy: AddressPolicy, asker: string) {
  const seen: { source: string | undefined } = { source: "9.9.9.9" };
  const { api } = openApi(policy, seen);
  const hash = await register(api);
  for (const source of Object.values(CALLERS)) {
    seen.source = source;
    for (const host of hostsOfAllKinds())
      await post(api, "/peers", { hash, listening_host: host, listening_port: 6000 });
  }
  seen.source = asker;
  const hosts = new Set<string>();
  for (let asked = 0; asked < 200; asked++) {
    const { peers } = await announce(api, hash, { listening_host: asker, listening_port: 7000 });
    for (const { host } of peers) hosts.add(host);
  }
  await api[Symbol.asyncDispose]();
  const privatePeers = [...hosts].filter((host) => IS_PRIVATE.test(host)).length;
  return { publicPeers: hosts.size - privatePeers, privatePeers };
}
