import { describe, expect, test } from "bun:test";
import { EXIT_CODES } from "../../peer/cli/exit-codes.ts";
import { RESULTS } from "../../peer/result.ts";
import { eventsSchema, SCHEMA_PATH } from "./cli/events-schema.ts";
import { createEventsValidator } from "./cli/events-validator.ts";

const HASH = "6f1e3a52-9c4b-4d7e-8a10-2b3c4d5e6f70";
const TORRENT = {
  hash: HASH,
  digest: "ab".repeat(32),
  name: "a.bin",
  size: 10,
  parts: 2,
  partSize: 5,
};

/** One of each, as complete as it can be. */
const EVENTS: readonly Record<string, unknown>[] = [
  { type: "start", v: 1, verb: "download", version: "1.0.0" },
  { type: "torrent", ...TORRENT },
  { type: "hashing", bytesDone: 0, bytesTotal: 10 },
  {
    type: "progress",
    bytesDone: 1,
    bytesTotal: 10,
    bytesPerSecond: 5,
    etaSeconds: 2,
    partsDone: 0,
    partsTotal: 2,
    peers: 1,
    peersKnown: 3,
  },
  { type: "peer", event: "banned", address: "[::1]:7000", reason: "bad part" },
  {
    type: "waiting",
    reason: "no_holder",
    parts: [{ part: 1, askedOf: [{ address: "10.0.0.1:1", answer: "does not have it" }] }],
    message: "nobody has part 1",
  },
  { type: "serving", host: "::", port: 7000, torrents: 2 },
  { type: "uploaded", ...TORRENT, torrent: "a.bin.torrent.json", next: "peer download …" },
  { type: "downloaded", ...TORRENT, file: "/tmp/a.bin", alreadyThere: false },
  { type: "listed", ...TORRENT, file: "/tmp/a.bin", state: "complete", bytesDone: 10 },
  {
    type: "inspected",
    ...TORRENT,
    algorithm: "sha256",
    trackers: [],
    created: "2026-01-01T00:00:00Z",
  },
  {
    type: "verified",
    ...TORRENT,
    file: "/tmp/a.bin",
    complete: false,
    partsGood: 1,
    badParts: [{ first: 1, count: 1 }],
  },
  { type: "removed", hash: HASH, file: "/tmp/a.bin", fileDeleted: true },
  { type: "version", version: "1.0.0", bun: "1.4.5" },
  { type: "help", text: "Usage: …" },
  { type: "error", code: 5, name: "incomplete", message: "Nobody left", hint: "try again" },
  {
    type: "summary",
    result: "ok",
    exitCode: 0,
    bytes: 10,
    seconds: 0.5,
    bytesPerPeer: { "10.0.0.1:1": 10 },
    badParts: 0,
    duplicateBytes: 0,
    resumedBytes: 0,
  },
];

describe("OutputEvent", () => {
  test("OutputEvent stands as events.schema.json in the tree, up to date", async () => {
    expect(await Bun.file(SCHEMA_PATH).json()).toEqual(eventsSchema());
  });

  test("OutputEvent takes one of each event, and the schema names no other", () => {
    const validate = createEventsValidator();
    for (const event of EVENTS) expect([event.type, validate(event)]).toEqual([event.type, ""]);
    const schema = JSON.stringify(eventsSchema());
    const named = [...schema.matchAll(/"type":\{"const":"(\w+)"/g)].map((match) => match[1]);
    expect(named).toEqual(EVENTS.map((event) => String(event.type)));
  });

  test("OutputEvent refuses every event with a field missing, unknown or null", () => {
    const validate = createEventsValidator();
    const optional = [
      "etaSeconds",
      "reason of peer",
      "next",
      "created",
      "bytesDone of listed",
      "name",
    ];
    for (const event of EVENTS) {
      expect(validate({ ...event, extra: 1 })).not.toBe("");
      for (const key of Object.keys(event)) {
        expect(validate({ ...event, [key]: null })).not.toBe("");
        const isOptional = [key, `${key} of ${event.type}`].some((name) => optional.includes(name));
        if (isOptional && event.type !== "error") continue;
        expect([event.type, key, validate({ ...event, [key]: undefined })]).not.toContain("");
      }
    }
  });

  test("OutputEvent refuses another version of the lines", () => {
    const validate = createEventsValidator();
    expect(validate({ type: "start", v: 2, verb: "list", version: "1" })).not.toBe("");
  });

  test("RESULTS are the names of all exit codes", () => {
    expect(Object.keys(EXIT_CODES).sort()).toEqual([...RESULTS].sort());
  });
});
