import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ADDRESS_CLASSES } from "../../../protocol/address-policy.ts";
import { keyOf, keyOfBytes } from "../../../tracker/name-key.ts";
import { LogReader } from "../../../tracker/swarm-store/log-reader.ts";
import { peerId, swarmHash } from "../../contract/swarm-store/announces.ts";

function read(...lines: readonly string[]) {
  return new LogReader().read(Buffer.from(lines.join("\n"), "latin1"));
}

const GOOD = `7 ${swarmHash(1)} 10.0.0.1 80 public ${peerId(1)} 1 1700000000000`;
const READ = {
  seq: 7,
  swarm: swarmHash(1),
  host: "10.0.0.1",
  port: 80,
  zone: "public",
  peer: keyOf(peerId(1)),
  complete: true,
  expires: 1_700_000_000_000,
} as const;

describe("LogReader", () => {
  test("reads every kind of row", () => {
    const swarms = fc.nat(3).map(swarmHash);
    const hosts = fc.constantFrom("10.0.0.1", "2001:db8::1", "a-name.example", "-x");
    const row = fc.record({
      seq: fc.integer({ min: 1, max: 2 ** 40 }),
      swarm: swarms,
      host: hosts,
      port: fc.integer({ min: 1, max: 65_535 }),
      zone: fc.constantFrom(...ADDRESS_CLASSES),
      peer: fc.option(fc.nat(5).map(peerId), { nil: undefined }),
      complete: fc.option(fc.boolean(), { nil: undefined }),
      expires: fc.integer({ min: 0, max: 2 ** 50 }),
    });
    const rows = fc.property(fc.array(row, { maxLength: 20 }), (wanted) => {
      const lines = wanted.map(({ seq, swarm, host, port, zone, peer, complete, expires }) => {
        const number = complete === undefined ? "-" : Number(complete);
        return `${seq} ${swarm} ${host} ${port} ${zone} ${peer ?? "-"} ${number} ${expires}`;
      });
      const numbered = wanted.map(({ peer, ...rest }) => ({
        ...rest,
        peer: peer === undefined ? 0 : keyOf(peer),
      }));
      expect(read(...lines)).toEqual(numbered);
    });
    fc.assert(rows);
  });

  test("leaves out what no tracker wrote, and reads on after it", () => {
    const bad = [
      "",
      "7",
      " ",
      GOOD.replace("7 ", "x "),
      GOOD.replace("7 ", "- "),
      GOOD.replace("7 ", "99999999999999999999 "),
      GOOD.replace(swarmHash(1), "a-swarm"),
      GOOD.replace(swarmHash(1), "-"),
      GOOD.replace("10.0.0.1", "-"),
      GOOD.replace("10.0.0.1 ", " "),
      GOOD.replace(" 80 ", " 65536 "),
      GOOD.replace(" 80 ", " -1 "),
      GOOD.replace("public", "publi"),
      GOOD.replace("public", "publicity"),
      GOOD.replace(" 1700000000000", ""),
      GOOD.replace(" 1700000000000", " "),
      GOOD.replace("10.0.0.1", "a host"),
    ];
    for (const line of bad) expect(read(line, GOOD)).toEqual([READ]);
    expect(read(GOOD, ...bad, GOOD)).toEqual([READ, READ]);
    expect(read(`${GOOD} and more`)).toEqual([READ]);
    expect(read()).toEqual([]);
  });

  test("stays sound whatever the bytes", () => {
    const words = fc.constantFrom(" ", "\n", "-", "7", "public", swarmHash(1), peerId(1), "\u00ff");
    const pages = fc.property(fc.array(words, { maxLength: 200 }), (page) => {
      for (const { seq, port, expires } of read(page.join(""))) {
        for (const number of [seq, port, expires]) expect(Number.isSafeInteger(number)).toBe(true);
      }
    });
    fc.assert(pages, { numRuns: 300 });
  });
});

/** Families of names that differ in little. */
const FAMILIES: readonly ((number: number) => readonly [string, number])[] = [
  (number) => [`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`, 6881],
  (number) => [`2001:db8::${number.toString(16)}`, 6881],
  (number) => [number.toString(16).padStart(32, "0"), 0],
  (number) => ["10.0.0.1", number],
];

describe("keyOf", () => {
  test("keyOf is the same for a text and for its bytes, and another for another number", () => {
    const texts = fc.property(
      fc.string({ unit: "binary-ascii" }),
      fc.nat(65_535),
      (text, number) => {
        const bytes = Buffer.from(`--${text}-`, "latin1");
        expect(keyOfBytes(bytes, 2, 2 + text.length)).toBe(keyOf(text));
        expect(keyOf(text, number) === keyOf(text)).toBe(number === 0);
        expect(Number.isSafeInteger(keyOf(text, number))).toBe(true);
      },
    );
    fc.assert(texts);
  });

  test("keyOf gives names that differ in little different numbers, spread evenly over their last bits", () => {
    const [names, places] = [200_000, 1024];
    for (const family of FAMILIES) {
      const keys = Array.from({ length: names }, (_, number) => keyOf(...family(number)));
      expect(new Set(keys).size).toBe(names);
      const counts = new Array<number>(places).fill(0);
      for (const key of keys) counts[key % places] = (counts[key % places] ?? 0) + 1;
      // Thirteen standard deviations: never by chance.
      const [mean, spread] = [names / places, 13 * Math.sqrt(names / places)];
      expect(Math.max(...counts)).toBeLessThan(mean + spread);
      expect(Math.min(...counts)).toBeGreaterThan(mean - spread);
    }
  });
});
