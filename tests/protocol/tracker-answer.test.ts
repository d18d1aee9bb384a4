import { describe, expect, test } from "bun:test";
import type { TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import fc from "fast-check";
import { HashResponse, PeersResponse } from "../../protocol/announce.ts";
import { ANSWER_PEERS_MAX, HOST_CHARS_MAX } from "../../protocol/announce-limits.ts";
import { isHashResponse, isPeersResponse } from "../../protocol/tracker-answer.ts";
import { FIXTURE_HASH } from "../support/fixtures.ts";

const RUNS = 20_000;

/** What a field may be that should be something else, as JSON has it. */
const anything = fc.oneof(
  fc.constantFrom(0, -0, -1, 1, 0.5, 65_535, 65_536, 2 ** 53, 1e300, Number.POSITIVE_INFINITY),
  fc.constantFrom(
    "",
    "0",
    "1",
    FIXTURE_HASH,
    FIXTURE_HASH.toUpperCase(),
    `urn:uuid:${FIXTURE_HASH}`,
  ),
  fc.constantFrom(`${FIXTURE_HASH}\n`, "h".repeat(HOST_CHARS_MAX), "h".repeat(HOST_CHARS_MAX + 1)),
  fc.constantFrom(true, false, null, [], {}, [[]], [{}]),
);

/** Mostly right, now and then not. */
function mostly<Right>(right: fc.Arbitrary<Right>) {
  return fc.oneof({ weight: 8, arbitrary: right }, { weight: 1, arbitrary: anything });
}

const amount = fc.oneof(fc.nat(), fc.double({ min: 0, max: 1e9, noNaN: true }));
const peer = fc.record(
  {
    host: mostly(fc.string({ minLength: 1, maxLength: 20 })),
    port: mostly(fc.integer({ min: 1, max: 65_535 })),
    verified: mostly(fc.boolean()),
    newer: anything,
  },
  { requiredKeys: [] },
);
const peersAnswer = fc.record(
  {
    peers: mostly(fc.array(fc.oneof({ weight: 9, arbitrary: peer }, anything), { maxLength: 4 })),
    interval: mostly(amount),
    min_interval: mostly(amount),
    complete: mostly(fc.nat()),
    incomplete: mostly(fc.nat()),
    newer: anything,
  },
  { requiredKeys: [] },
);
const hashAnswer = fc.record(
  { hash: mostly(fc.uuid()), interval: mostly(amount), newer: anything },
  { requiredKeys: [] },
);

/** @returns how many of these were right, and how many were not */
function compare(
  schema: TSchema,
  is: (answer: unknown) => boolean,
  answers: fc.Arbitrary<unknown>,
): { right: number; wrong: number } {
  const verdicts = { right: 0, wrong: 0 };
  const either = fc.oneof({ weight: 30, arbitrary: answers }, anything);
  fc.assert(
    fc.property(either, (answer) => {
      const verdict = is(answer);
      expect(verdict).toBe(Value.Check(schema, answer));
      verdicts[verdict ? "right" : "wrong"]++;
    }),
    { numRuns: RUNS },
  );
  return verdicts;
}

describe("isPeersResponse", () => {
  test("isPeersResponse says what the schema says", () => {
    const { right, wrong } = compare(PeersResponse, isPeersResponse, peersAnswer);
    expect(Math.min(right, wrong)).toBeGreaterThan(RUNS / 20);
  });

  test("isPeersResponse takes as many peers as an answer may have, and no more", () => {
    const peers = Array.from({ length: ANSWER_PEERS_MAX }, (_, at) => ({
      host: "h",
      port: at + 1,
    }));
    expect(isPeersResponse({ peers })).toBe(true);
    expect(isPeersResponse({ peers: [...peers, { host: "h", port: 1 }] })).toBe(false);
  });
});

describe("isHashResponse", () => {
  test("isHashResponse says what the schema says", () => {
    const { right, wrong } = compare(HashResponse, isHashResponse, hashAnswer);
    expect(Math.min(right, wrong)).toBeGreaterThan(RUNS / 20);
  });
});
