import { describe, expect, spyOn, test } from "bun:test";
import { HashThread } from "../../../peer/storage/hash-thread.ts";
import { PartVerifier } from "../../../peer/storage/part-verifier.ts";
import type { PartAlgorithm } from "../../../protocol/part-algorithm.ts";
import { failureCode } from "../../support/eventually.ts";
import { sample, toRun } from "./fixtures.ts";

const MIB = 1024 * 1024;
/** So much is hashed where it arrives before threads are started. */
const BEFORE_THREADS = 16 * MIB;

/** A verifier over shared memory that holds a whole torrent. */
function verifierOf(options: {
  readonly fileBytes: number;
  readonly partBytes: number;
  readonly algorithm?: PartAlgorithm;
  readonly threads?: number;
}) {
  const { torrent, content } = sample(options);
  const memory = new SharedArrayBuffer(content.length);
  const bytes = new Uint8Array(memory);
  bytes.set(content);
  const verifier = new PartVerifier(memory, options.threads ?? 2);
  const ask = (first: number, count = 1) => {
    const run = toRun(torrent, first, count);
    const { offset, length } = torrent.geometry.runRange(run);
    return verifier.firstBad(torrent, run, bytes.subarray(offset, offset + length));
  };
  const spoil = (at: number) => {
    bytes[at] = (bytes[at] ?? 0) ^ 1;
  };
  return {
    torrent,
    bytes,
    verifier,
    ask,
    spoil,
    [Symbol.dispose]: () => verifier[Symbol.dispose](),
  };
}

describe("PartVerifier", () => {
  for (const algorithm of ["sha256", "sha1"] as const) {
    test(`PartVerifier finds the first wrong part by ${algorithm}, before and after it has threads`, async () => {
      using under = verifierOf({ fileBytes: 40 * MIB, partBytes: MIB, algorithm });
      using hashed = spyOn(HashThread.prototype, "hash");
      under.spoil(7 * MIB);
      under.spoil(33 * MIB - 1);
      const found: number[] = [];
      for (let part = 0; part < 40; part++) {
        const bad = await under.ask(part);
        if (bad !== undefined) found.push(bad);
      }
      expect(found).toEqual([7, 32]);
      const here = BEFORE_THREADS / MIB - 1;
      expect(hashed.mock.calls.length).toBe(40 - here);
    });
  }

  test("PartVerifier names a wrong part inside a run of small ones, also when several are wrong", async () => {
    using under = verifierOf({ fileBytes: 20 * MIB + 100, partBytes: 256 });
    const count = under.torrent.geometry.partCount;
    expect(await under.ask(0, count - 100)).toBeUndefined();
    for (const part of [70_005, 70_900]) under.spoil(part * 256 + 3);
    expect(Number(await under.ask(70_000, 1024))).toBe(70_005);
    expect(Number(await under.ask(70_006, 1024))).toBe(70_900);
    expect(await under.ask(count - 50, 50)).toBeUndefined();
  });

  test("PartVerifier answers many at once, each for itself", async () => {
    using under = verifierOf({ fileBytes: 64 * MIB, partBytes: MIB });
    under.spoil(50 * MIB);
    const answers = await Promise.all(Array.from({ length: 64 }, (_, part) => under.ask(part)));
    expect(answers.flatMap((bad, part) => (bad === undefined ? [] : [part]))).toEqual([50]);
  });

  test("PartVerifier starts no thread where none is to be had, nor for bytes outside the shared memory", async () => {
    using hashed = spyOn(HashThread.prototype, "hash");
    using without = verifierOf({ fileBytes: 20 * MIB, partBytes: MIB, threads: 0 });
    for (let part = 0; part < 20; part++) expect(await without.ask(part)).toBeUndefined();
    using outside = verifierOf({ fileBytes: 20 * MIB, partBytes: MIB });
    const { torrent, verifier, bytes } = outside;
    const copy = new Uint8Array(bytes);
    const run = toRun(torrent, 0, 20);
    expect(await verifier.firstBad(torrent, run, copy)).toBeUndefined();
    expect(hashed).not.toHaveBeenCalled();
  });

  test("PartVerifier goes on without a thread that died", async () => {
    using under = verifierOf({ fileBytes: 40 * MIB, partBytes: MIB, threads: 1 });
    for (let part = 0; part < 20; part++) await under.ask(part);
    using dead = spyOn(HashThread.prototype, "hash").mockRejectedValue(new Error("It died"));
    expect(await under.ask(20)).toBeUndefined();
    expect(await under.ask(21)).toBeUndefined();
    expect(dead.mock.calls.length).toBe(1);
    under.spoil(22 * MIB);
    expect(Number(await under.ask(22))).toBe(22);
  });

  test("dispose ends what is under way, and starts nothing afterwards", async () => {
    const under = verifierOf({ fileBytes: 40 * MIB, partBytes: MIB, threads: 1 });
    for (let part = 0; part < 20; part++) await under.ask(part);
    const waiting = failureCode(under.ask(20));
    under[Symbol.dispose]();
    expect(await waiting).toBe("io");
    expect(await under.ask(21)).toBeUndefined();
  });
});
