import { describe, expect, test } from "bun:test";
import { HANDOUT_PEERS_MAX, HOST_CHARS_MAX } from "../../../protocol/announce-limits.ts";
import {
  AnswerPage,
  LITERAL_WORDS,
  PORT_WORDS,
  wordsFor,
  writeAddress,
} from "../../../tracker/swarm-store/answer-page.ts";

interface Told {
  readonly host: string;
  readonly port: number;
  readonly verified?: true;
}

const LONGEST_LITERAL = "2001:db80:1111:2222:3333:4444:5555:6666";

/** @param before words of something else that stand before the address */
function tell(page: AnswerPage, { host, port, verified }: Told, before = 0): void {
  const hostWords = wordsFor(host.length);
  const words = new Int32Array(before + PORT_WORDS + hostWords).fill(-1);
  writeAddress(new Uint8Array(words.buffer), { host, port }, before * 4);
  page.add(words, before, hostWords, verified === true);
}

function textOf(peers: readonly Told[]): string {
  const page = new AnswerPage();
  page.clear();
  for (const [at, peer] of peers.entries()) tell(page, peer, at % 3);
  return page.toJson();
}

describe("AnswerPage", () => {
  test("tells of hosts and ports of every length what they are", () => {
    const ports = [1, 9, 10, 99, 100, 1024, 9999, 10_000, 65_535];
    const hosts = ["h", "::1", "10.0.0.1", "192.168.100.200", LONGEST_LITERAL, "x".repeat(70)];
    for (const host of hosts) {
      const peers = ports.flatMap((port): Told[] => [
        { host, port },
        { host, port, verified: true },
      ]);
      expect(JSON.parse(textOf(peers))).toEqual(peers);
    }
  });

  test("tells of nobody, and forgets what was told before", () => {
    const page = new AnswerPage();
    page.clear();
    expect(page.toJson()).toBe("[]");
    for (const told of [5, 1, 0]) {
      page.clear();
      for (let port = 1; port <= told; port++) tell(page, { host: "10.0.0.1", port });
      expect(JSON.parse(page.toJson())).toHaveLength(told);
    }
  });

  test("has room for as many of the longest names as an answer tells of", () => {
    const longest = { host: "x".repeat(HOST_CHARS_MAX), port: 65_535, verified: true } as const;
    const peers = Array.from({ length: HANDOUT_PEERS_MAX }, () => longest);
    expect(JSON.parse(textOf(peers))).toEqual(peers);
  });

  test("takes the longest literal in the words that every literal has, and spends few spaces", () => {
    expect(wordsFor(LONGEST_LITERAL.length)).toBe(LITERAL_WORDS);
    const text = textOf([{ host: "10.20.30.40", port: 6881 }]);
    expect(text).toBe('[{"host":"10.20.30.40","port": 6881}]');
    for (const host of ["10.0.0.1", "10.0.0.12", "10.0.0.123"])
      expect(textOf([{ host, port: 51_413 }]).split(" ").length - 1).toBeLessThanOrEqual(3);
  });
});
