import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  fromSwarmHashBytes,
  parseSwarmHash,
  parseTorrentDigest,
  toPeerId,
  toSwarmHashBytes,
  toTorrentDigest,
} from "../../protocol/ids.ts";
import { FIXTURE_HASH, randomBytes, swarmHash } from "../support/fixtures.ts";

describe("parseSwarmHash", () => {
  test("parseSwarmHash takes a uuid in either case and gives it in lower case", () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        expect(String(parseSwarmHash(uuid))).toBe(uuid);
        expect(String(parseSwarmHash(uuid.toUpperCase()))).toBe(uuid);
      }),
    );
  });

  test("parseSwarmHash refuses everything else", () => {
    const others: unknown[] = [
      "",
      `urn:uuid:${FIXTURE_HASH}`,
      `{${FIXTURE_HASH}}`,
      `${FIXTURE_HASH}\n`,
      `${FIXTURE_HASH}\u0000`,
      FIXTURE_HASH.replaceAll("-", ""),
      FIXTURE_HASH.slice(1),
      `${FIXTURE_HASH}0`,
      FIXTURE_HASH.replace("6", "g"),
      null,
      undefined,
      6,
      [FIXTURE_HASH],
      { toString: () => FIXTURE_HASH },
    ];
    for (const other of others) expect(parseSwarmHash(other)).toBeUndefined();
  });

  test("toSwarmHashBytes and fromSwarmHashBytes are each other's inverse", () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        const bytes = toSwarmHashBytes(swarmHash(uuid));
        expect(bytes.length).toBe(16);
        expect(bytes.toHex()).toBe(uuid.replaceAll("-", ""));
        expect(String(fromSwarmHashBytes(bytes))).toBe(uuid);
      }),
    );
    expect(() => fromSwarmHashBytes(new Uint8Array(15))).toThrow("16 bytes");
  });
});

describe("parseTorrentDigest", () => {
  test("parseTorrentDigest takes 64 hex digits and gives them in lower case", () => {
    const text = randomBytes(1, 32).toHex();
    expect(String(parseTorrentDigest(text.toUpperCase()))).toBe(text);
    for (const other of [text.slice(1), `${text}0`, `${text}\n`, `g${text.slice(1)}`, 5, null]) {
      expect(parseTorrentDigest(other)).toBeUndefined();
    }
  });

  test("toTorrentDigest and toPeerId write hex and assert the length", () => {
    const bytes = randomBytes(2, 32);
    expect(String(toTorrentDigest(bytes))).toBe(bytes.toHex());
    expect(String(toPeerId(bytes.subarray(16)))).toBe(bytes.subarray(16).toHex());
    expect(() => toTorrentDigest(bytes.subarray(1))).toThrow("32 bytes");
    expect(() => toPeerId(bytes)).toThrow("16 bytes");
  });
});
