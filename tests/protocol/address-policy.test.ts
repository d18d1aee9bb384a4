import { describe, expect, test } from "bun:test";
import {
  type AddressClass,
  type AddressPolicy,
  type AddressRefusal,
  classOf,
  networkOf,
  whyRefused,
} from "../../protocol/address-policy.ts";
import { FORBIDDEN_LITERALS, LITERALS, NO_LITERALS } from "../support/addresses.ts";

const POLICIES: readonly AddressPolicy[] = ["source", "lan", "compat"];
/** The table as it is specified, written down once more: who may be told of a class by a policy. */
const EXPECTED: Readonly<Record<AddressClass, Readonly<Record<AddressPolicy, string>>>> = {
  public: { source: "all", lan: "all", compat: "all" },
  private: { source: "own", lan: "all", compat: "all" },
  uniqueLocal: { source: "own", lan: "all", compat: "all" },
  carrierGradeNat: { source: "own", lan: "all", compat: "all" },
  loopback: { source: "own", lan: "own", compat: "all" },
  unspecified: { source: "none", lan: "none", compat: "none" },
  unusable: { source: "none", lan: "none", compat: "none" },
};
/** One of each class. */
const REQUESTERS: Readonly<Record<AddressClass, string>> = {
  public: "9.9.9.9",
  private: "192.168.7.7",
  uniqueLocal: "fd12::7",
  carrierGradeNat: "100.64.7.7",
  loopback: "127.0.0.7",
  unspecified: "0.0.0.0",
  unusable: "169.254.7.7",
};

function expectedRefusal(rule: string | undefined, isOwn: boolean): AddressRefusal | undefined {
  if (rule === "none") return "unusable_address";
  return rule === "all" || (rule === "own" && isOwn) ? undefined : "foreign_address";
}

describe("classOf", () => {
  test("TRK-1: classOf knows more than sixty hosts as what they are", () => {
    for (const [literal, expected] of LITERALS)
      expect([literal, classOf(literal)]).toEqual([literal, expected]);
    expect(LITERALS.length + NO_LITERALS.length).toBeGreaterThanOrEqual(60);
  });

  test("TRK-1: classOf takes names and other spellings of addresses for no address", () => {
    for (const text of NO_LITERALS) expect([text, classOf(text)]).toEqual([text, undefined]);
  });
});

describe("networkOf", () => {
  test("networkOf is one for a /64 of IPv6, and each address of IPv4 for itself", () => {
    expect(networkOf("2600:1:2:3::1")).toBe(networkOf("[2600:1:2:3:ffff::]"));
    expect(networkOf("2600:1:2:3::1")).not.toBe(networkOf("2600:1:2:4::1"));
    expect(networkOf("10.0.0.1")).not.toBe(networkOf("10.0.0.2"));
    expect(networkOf("::ffff:10.0.0.1")).toBe(networkOf("10.0.0.1"));
    expect(networkOf("no address")).toBe("no address");
  });
});

describe("whyRefused", () => {
  test("TRK-1: whyRefused says of every class, policy and requester what the table says", () => {
    const questions = POLICIES.flatMap((policy) =>
      Object.entries(REQUESTERS).map(([name, requester]) => ({ policy, name, requester })),
    );
    for (const [host, hostClass] of LITERALS) {
      const said = questions.map(({ policy, requester }) =>
        whyRefused({ host, port: 6881 }, { policy, requester }),
      );
      const wanted = questions.map(({ policy, name }) =>
        expectedRefusal(EXPECTED[hostClass][policy], name === hostClass),
      );
      expect([host, said]).toEqual([host, wanted]);
    }
  });

  test("CLI-1: whyRefused lets an unknown or public source name nothing but public addresses", () => {
    for (const requester of [undefined, "9.9.9.9", "2606:4700::9", "a.name.example"]) {
      for (const host of FORBIDDEN_LITERALS)
        expect(
          whyRefused({ host, port: 6881 }, { policy: "source", requester }),
        ).not.toBeUndefined();
    }
    expect(FORBIDDEN_LITERALS.length).toBeGreaterThanOrEqual(40);
  });

  test("CLI-3: whyRefused keeps ports below 1024 to networks of one's own", () => {
    for (const [policy, port, refusal] of [
      ["source", 1023, "low_port"],
      ["source", 1, "low_port"],
      ["source", 1024, undefined],
      ["lan", 300, undefined],
      ["compat", 1, undefined],
    ] as const) {
      expect(whyRefused({ host: "9.9.9.9", port }, { policy, requester: undefined })).toBe(refusal);
    }
    // Whose own network it is makes no difference to the port.
    const near = { policy: "source", requester: "10.0.0.1" } as const;
    expect(whyRefused({ host: "10.0.0.2", port: 22 }, near)).toBe("low_port");
  });

  test("whyRefused says of a name that it is no address, by every policy", () => {
    for (const policy of POLICIES)
      for (const host of NO_LITERALS)
        expect(whyRefused({ host, port: 6881 }, { policy, requester: "127.0.0.1" })).toBe(
          "not_an_address",
        );
  });
});
