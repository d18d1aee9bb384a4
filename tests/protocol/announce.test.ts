import { describe, expect, test } from "bun:test";
import type { TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { HashRequest, HashResponse, PeersRequest, PeersResponse } from "../../protocol/announce.ts";
import {
  ANSWER_PEERS_MAX,
  HANDOUT_PEERS_MAX,
  HOST_CHARS_MAX,
} from "../../protocol/announce-limits.ts";
import { FIXTURE_HASH } from "../support/fixtures.ts";

const caller = { listening_host: "192.0.2.7", listening_port: 6001 };
const request = { hash: FIXTURE_HASH, ...caller };

describe("HashRequest", () => {
  test("HashRequest takes the original's two fields, the port as a number or digits", () => {
    expectTaken(HashRequest, caller, { ...caller, listening_port: "6001" });
    expectTaken(
      HashRequest,
      { ...caller, peer: "0f".repeat(16) },
      { ...caller, listening_host: "" },
    );
  });

  test("TRK-4: HashRequest refuses a missing, wrong or too long field", () => {
    expectRefused(
      HashRequest,
      {},
      { listening_host: "a" },
      { listening_port: 1 },
      { ...caller, listening_port: 0 },
      { ...caller, listening_port: 65536 },
      { ...caller, listening_port: 1.5 },
      { ...caller, listening_port: -1 },
      { ...caller, listening_port: "" },
      { ...caller, listening_port: "0x50" },
      { ...caller, listening_port: "123456" },
      { ...caller, listening_port: " 80" },
      { ...caller, listening_port: null },
      { ...caller, listening_host: 5 },
      { ...caller, listening_host: null },
      { ...caller, listening_host: "a".repeat(HOST_CHARS_MAX + 1) },
      { ...caller, peer: "short" },
      { ...caller, peer: "0F".repeat(16) },
      [],
      null,
      "x",
    );
  });
});

describe("PeersRequest", () => {
  test("PeersRequest takes the original's three fields and the newer ones beside them", () => {
    expectTaken(
      PeersRequest,
      request,
      { ...request, hash: FIXTURE_HASH.toUpperCase() },
      { ...request, event: "started", left: 0, want: 50, peer: "a0".repeat(16) },
      { ...request, event: "completed" },
      { ...request, event: "stopped", left: Number.MAX_SAFE_INTEGER },
    );
  });

  test("TRK-4: PeersRequest refuses a hash that is no uuid and values out of range", () => {
    expectRefused(
      PeersRequest,
      caller,
      { ...request, hash: `urn:uuid:${FIXTURE_HASH}` },
      { ...request, hash: `${FIXTURE_HASH}\n` },
      { ...request, hash: `x\n${FIXTURE_HASH}` },
      { ...request, hash: 5 },
      { ...request, event: "paused" },
      { ...request, left: -1 },
      { ...request, left: 0.5 },
      { ...request, want: -1 },
      { ...request, want: ANSWER_PEERS_MAX + 1 },
      { ...request, want: "5" },
    );
  });
});

describe("PeersResponse", () => {
  test("PeersResponse takes the original's answer and the newer one", () => {
    const peers = [
      { host: "192.0.2.1", port: 1 },
      { host: "2001:db8::1", port: 65535 },
    ];
    expectTaken(PeersResponse, { peers: [] }, { peers });
    expectTaken(PeersResponse, { peers, interval: 30, complete: 1, incomplete: 0, other: true });
  });

  test("PeersResponse refuses a hostile tracker's answer", () => {
    const peer = { host: "192.0.2.1", port: 1 };
    expectRefused(
      PeersResponse,
      {},
      { peers: {} },
      { peers: [{ host: "", port: 1 }] },
      { peers: [{ host: "a", port: 0 }] },
      { peers: [{ host: "a", port: 65536 }] },
      { peers: [{ host: "a", port: "80" }] },
      { peers: [{ host: "a".repeat(HOST_CHARS_MAX + 1), port: 1 }] },
      { peers: new Array(ANSWER_PEERS_MAX + 1).fill(peer) },
      { peers: [], interval: -1 },
      { peers: [], complete: 0.5 },
    );
    expect(HANDOUT_PEERS_MAX).toBeLessThanOrEqual(ANSWER_PEERS_MAX);
  });
});

describe("HashResponse", () => {
  test("HashResponse takes a uuid with or without an interval, and nothing else", () => {
    expectTaken(HashResponse, { hash: FIXTURE_HASH }, { hash: FIXTURE_HASH, interval: 30 });
    expectRefused(HashResponse, {}, { hash: "x" }, { hash: FIXTURE_HASH, interval: "30" });
  });
});

function expectTaken(schema: TSchema, ...values: readonly unknown[]): void {
  for (const value of values) expect([value, Value.Check(schema, value)]).toEqual([value, true]);
}

function expectRefused(schema: TSchema, ...values: readonly unknown[]): void {
  for (const value of values) expect([value, Value.Check(schema, value)]).toEqual([value, false]);
}
