import { describe, expect, test } from "bun:test";
import { canonicalLiteral, resolveAnnouncedHost } from "../../protocol/address-policy.ts";
import type { PeersRequest } from "../../protocol/announce.ts";
import { isComplete, planHandout } from "../../tracker/announce/handout.ts";
import { AddressSanitizer } from "../../tracker/announce/sanitize.ts";
import { whomToBelieve } from "../../tracker/announce/vouching.ts";
import { ClientError } from "../../tracker/errors.ts";

describe("resolveAnnouncedHost", () => {
  const resolve = (announced: string, source: string | undefined = "203.0.113.9") =>
    resolveAnnouncedHost({ announced, source });

  test.each(["", " ", "*", "0.0.0.0", "::", "[::]", "0::0", "::ffff:0.0.0.0", "[0:0:0:0:0:0:0:0]"])(
    "TRK-1: puts the caller's address in place of %j",
    (announced) => {
      expect(resolve(announced)).toBe("203.0.113.9");
      expect(resolve(announced, "2001:db8::9")).toBe("2001:db8::9");
      expect(resolve(announced, "::ffff:203.0.113.9")).toBe("203.0.113.9");
    },
  );

  test.each([undefined, "", "unix", "0.0.0.0", "::", "fe80::1%eth0"])(
    "TRK-1: refuses to put the source %j in anybody's place",
    (source) => {
      expect(resolveAnnouncedHost({ announced: "0.0.0.0", source })).toBeUndefined();
      expect(resolveAnnouncedHost({ announced: "10.0.0.1", source })).toBe("10.0.0.1");
    },
  );

  test.each([
    ["10.0.0.1", "10.0.0.1"],
    ["::FFFF:10.0.0.1", "10.0.0.1"],
    ["[::ffff:a00:1]", "10.0.0.1"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["::1", "::1"],
    ["Peer.Example", "peer.example"],
    ["localhost", "localhost"],
    ["3com.example", "3com.example"],
    ["a".repeat(63), "a".repeat(63)],
  ])("TRK-1: keeps %s as %s", (announced, kept) => {
    expect(resolve(announced)).toBe(kept);
  });

  test.each([
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "017700000001",
    "1.2.3.4.5",
    "a.0x",
    "256.0.0.1",
    "1.2.3.04",
    "fe80::1%eth0",
    "[::1",
    "::1]",
    "[10.0.0.1",
    "a_b",
    "-a",
    "a-",
    "a..b",
    "a.",
    "a b",
    " a",
    "a\u0000",
    "a\n",
    "é",
    "a/b",
    "a:1",
    "::g",
    "a".repeat(64),
    `${"a.".repeat(126)}aa`,
    "a".repeat(100_000),
  ])("TRK-1: refuses %j", (announced) => {
    expect(resolve(announced)).toBeUndefined();
  });
});

describe("canonicalLiteral", () => {
  test("is undefined for what is no literal", () => {
    for (const text of ["", "localhost", "127.1", "[]", "[10.0.0.1"]) {
      expect(canonicalLiteral(text)).toBeUndefined();
    }
  });
});

describe("AddressSanitizer", () => {
  const sanitize = (listening_host: string, listening_port: number | string) =>
    new AddressSanitizer("compat").sanitize({ listening_host, listening_port }, "9.9.9.9");

  test("reads a port of decimal digits as its number", () => {
    expect(sanitize("10.0.0.1", "300")).toEqual({ host: "10.0.0.1", port: 300, zone: "public" });
    expect(sanitize("10.0.0.1", "00001")).toEqual({ host: "10.0.0.1", port: 1, zone: "public" });
    expect(sanitize("::", 65_535)).toEqual({ host: "9.9.9.9", port: 65_535, zone: "public" });
  });

  test("says the same each time it is asked, of each port anew", () => {
    const addresses = new AddressSanitizer("source");
    const ask = (port: number, source: string) => {
      try {
        const request = { listening_host: "10.0.0.1", listening_port: port };
        const { host, zone } = addresses.sanitize(request, source);
        return `${host} ${zone}`;
      } catch (error) {
        return error instanceof ClientError ? error.code : error;
      }
    };
    for (let time = 0; time < 3; time++) {
      expect(ask(6000, "9.9.9.9")).toBe("9.9.9.9 public");
      expect(ask(80, "9.9.9.9")).toBe("bad_port");
      expect(ask(6000, "10.0.0.9")).toBe("10.0.0.9 private");
      expect(ask(6000, "169.254.0.9")).toBe("bad_host");
    }
  });

  test("refuses a bad host and a bad port by name", () => {
    const codeOf = (run: () => unknown): unknown => {
      try {
        return run();
      } catch (error) {
        return error instanceof ClientError ? error.code : error;
      }
    };
    expect(codeOf(() => sanitize("127.1", 1))).toBe("bad_host");
    for (const port of [0, 65_536, "0", "65536", "99999", Number.NaN, 1.5]) {
      expect(codeOf(() => sanitize("10.0.0.1", port))).toBe("bad_port");
    }
  });
});

describe("planHandout", () => {
  const request = (fields: Partial<PeersRequest>): PeersRequest => ({
    hash: "00000000-0000-4000-8000-000000000000",
    listening_host: "10.0.0.1",
    listening_port: 1,
    ...fields,
  });

  test.each<[Partial<PeersRequest>, boolean | undefined]>([
    [{}, undefined],
    [{ event: "started" }, undefined],
    [{ event: "completed" }, true],
    [{ left: 0 }, true],
    [{ left: 1 }, false],
    [{ left: 1, event: "completed" }, false],
    [{ left: 0, event: "started" }, true],
  ])("of %j: complete is %p", (fields, complete) => {
    expect(isComplete(request(fields))).toBe(complete);
    expect(planHandout(request(fields)).only).toBe(complete === true ? "incomplete" : "all");
  });

  test("gives as many as wanted, at most 50, and none to who leaves", () => {
    expect(planHandout(request({})).want).toBe(50);
    expect(planHandout(request({ want: 7 })).want).toBe(7);
    expect(planHandout(request({ want: 1000 })).want).toBe(50);
    expect(planHandout(request({ want: 7, event: "stopped" })).want).toBe(0);
  });
});

describe("whomToBelieve", () => {
  const at = (...hosts: readonly string[]) => hosts.map((host) => ({ host, port: 7000 }));

  test("TRK-2: takes nobody's word for an address of his own network", () => {
    const reached = at("8.8.8.8", "8.8.4.4", "2a00::1", "peer.example");
    const believed = (source: string) => whomToBelieve({ reached }, source).map(({ host }) => host);
    expect(believed("8.8.8.8")).toEqual(["8.8.4.4", "2a00::1", "peer.example"]);
    expect(believed("2a00::ffff")).toEqual(["8.8.8.8", "8.8.4.4", "peer.example"]);
    expect(believed("::ffff:8.8.4.4")).toEqual(["8.8.8.8", "2a00::1", "peer.example"]);
  });

  test("takes it where machines share addresses anyway, and of nobody who is not seen", () => {
    const reached = at("127.0.0.1", "10.0.0.1");
    for (const source of ["127.0.0.1", "10.0.0.1", "::ffff:10.0.0.1"]) {
      expect(whomToBelieve({ reached }, source)).toEqual(reached);
    }
    expect(whomToBelieve({ reached }, undefined)).toEqual([]);
    expect(whomToBelieve({}, "127.0.0.1")).toEqual([]);
  });
});
