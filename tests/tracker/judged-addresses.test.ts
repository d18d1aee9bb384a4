import { describe, expect, test } from "bun:test";
import { type Judged, JudgedAddresses } from "../../tracker/announce/judged-addresses.ts";

const NEAR: Judged = { host: "10.0.0.1", zone: "private" };

describe("JudgedAddresses", () => {
  test("tells what was kept of the same address of the same caller, and nothing of others", () => {
    const judged = new JudgedAddresses();
    expect(judged.find("10.0.0.1", "10.0.0.9")).toBeUndefined();
    judged.keep("10.0.0.1", "10.0.0.9", NEAR);
    judged.keep("", "9.9.9.9", { host: "9.9.9.9", zone: "public" });
    judged.keep("127.0.0.1", "9.9.9.9", "refused");
    expect(judged.find("10.0.0.1", "10.0.0.9")).toEqual(NEAR);
    expect(judged.find("", "9.9.9.9")).toEqual({ host: "9.9.9.9", zone: "public" });
    expect(judged.find("127.0.0.1", "9.9.9.9")).toBe("refused");
    expect(judged.find("10.0.0.1", "10.0.0.8")).toBeUndefined();
    expect(judged.find("10.0.0.2", "10.0.0.9")).toBeUndefined();
    expect(judged.find("127.0.0.1", "9.9.9.8")).toBeUndefined();
  });

  test("keeps neither names nor what is stored otherwise than it was said", () => {
    const judged = new JudgedAddresses();
    judged.keep("peer.example", "9.9.9.9", { host: "peer.example", zone: "public" });
    judged.keep("::ffff:10.0.0.1", "9.9.9.9", NEAR);
    expect(judged.find("peer.example", "9.9.9.9")).toBeUndefined();
    expect(judged.find("::ffff:10.0.0.1", "9.9.9.9")).toBeUndefined();
  });

  test("takes no text for another whose bytes it could be", () => {
    const judged = new JudgedAddresses();
    judged.keep("11", "9.9.9.9", { host: "11", zone: "public" });
    expect(judged.find("\u3131\0", "9.9.9.9")).toBeUndefined();
  });

  test("keeps nearly all of a hundred thousand, and goes on with newer ones after that", () => {
    const judged = new JudgedAddresses();
    const hostOf = (number: number): string =>
      `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;
    const keep = (number: number): void => {
      const host = hostOf(number);
      judged.keep(host, "", { host, zone: "private" });
    };
    const isKept = (number: number): boolean => judged.find(hostOf(number), "") !== undefined;
    for (let number = 0; number < 100_000; number++) keep(number);
    let kept = 0;
    for (let number = 0; number < 100_000; number++) if (isKept(number)) kept++;
    expect(kept).toBeGreaterThan(98_000);
    for (let number = 100_000; number < 1_000_000; number++) keep(number);
    expect(isKept(999_999)).toBe(true);
  });
});
