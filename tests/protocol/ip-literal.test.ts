import { describe, expect, test } from "bun:test";
import { isIP } from "node:net";
import { isIpv4, isIpv6 } from "../../protocol/ip-literal.ts";
import { SeededRandom } from "../support/tracker.ts";

/** What literals and what is near them is made of. */
const PIECES = [
  ..."01afF:. []",
  "::",
  "1.2.3.4",
  "ffff",
  "00000",
  "255",
  "256",
  "0x7f",
  "12345",
  "::ffff:",
] as const;
const TEXTS = 200_000;
const PIECES_MAX = 9;

function kindOf(text: string): 0 | 4 | 6 {
  if (isIpv4(text)) return 4;
  return isIpv6(text) ? 6 : 0;
}

describe("isIpv4 and isIpv6", () => {
  for (const [text, kind] of [
    ["0.0.0.0", 4],
    ["255.255.255.255", 4],
    ["01.2.3.4", 0],
    ["127.1", 0],
    ["0x7f000001", 0],
    ["1.2.3.4 ", 0],
    ["::", 6],
    ["1:2:3:4:5:6:7::", 6],
    ["1:2:3:4:5:6:7:8", 6],
    ["::ffff:1.2.3.4", 6],
    ["::1.2.3.4", 6],
    ["::ffff:127.1", 0],
    ["::ffff:0x7f.0.0.1", 0],
    ["1::2::3", 0],
    ["12345::", 0],
    ["[::1]", 0],
    ["fe80::1%eth0", 0],
    ["", 0],
  ] as const) {
    test(`say what ${JSON.stringify(text)} is`, () => {
      expect(kindOf(text)).toBe(kind);
    });
  }

  test(`agree with the system's reading of ${TEXTS} texts put together at random`, () => {
    const random = new SeededRandom(1);
    const below = (count: number): number => random.uint32() % count;
    const found = { 0: 0, 4: 0, 6: 0 };
    for (let n = 0; n < TEXTS; n++) {
      const pieces = Array.from(
        { length: 1 + below(PIECES_MAX) },
        () => PIECES[below(PIECES.length)],
      );
      const text = pieces.join("");
      const kind = kindOf(text);
      if (kind !== isIP(text)) expect({ text, kind }).toEqual({ text, kind: isIP(text) as 0 });
      found[kind]++;
    }
    expect(Math.min(found[4], found[6])).toBeGreaterThan(100);
  });
});
