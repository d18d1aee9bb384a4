import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { TorrentError } from "../../protocol/errors.ts";
import { scanJson } from "../../protocol/json-scan.ts";
import { utf8 } from "../support/fixtures.ts";

describe("scanJson", () => {
  test("scanJson lets every JSON pass that JSON.stringify writes", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        expect(verdict(JSON.stringify(value), 100)).toBe("passes");
        expect(verdict(JSON.stringify(value, undefined, 2), 100)).toBe("passes");
      }),
      { numRuns: 1000 },
    );
  });

  test("scanJson agrees with a naive measure of depth", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), fc.nat({ max: 8 }), (value, depthMax) => {
        const expected = depthOf(value) <= depthMax ? "passes" : "too_deep";
        expect(verdict(JSON.stringify(value), depthMax)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test("scanJson finds a key that comes twice, however it is written", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 2 }), (key, value) => {
        const escaped = [...key].map(escapeAll).join("");
        const once = `{${JSON.stringify(key)}:${JSON.stringify(value)}`;
        expect(verdict(`${once}}`, 10)).toBe("passes");
        expect(verdict(`${once},"${escaped}":1}`, 10)).toBe("duplicate_key");
      }),
      { numRuns: 500 },
    );
  });

  test("scanJson lets one key stand in two objects and a value repeat a key", () => {
    expect(verdict('{"a":{"a":1},"b":[{"a":1},{"a":2}],"c":"a","d":["a","a"]}', 4)).toBe("passes");
  });

  test("scanJson counts lists, objects and commas against valuesMax", () => {
    const text = '{"a":[1,2,3],"b":{}}';
    const count = (text.match(/[[{,]/g) ?? []).length;
    expect(verdict(text, 4, count)).toBe("passes");
    expect(verdict(text, 4, count - 1)).toBe("too_many_parts");
  });

  test("scanJson refuses a string without end and a close without an open", () => {
    for (const text of ['"', '"a', '"a\\"', '{"a":"b', "]", "}", "{}}", "[]]"]) {
      expect([text, verdict(text, 4)]).toEqual([text, "bad_json"]);
    }
  });

  test("scanJson gives any bytes an answer", () => {
    const likely = fc.constantFrom(...'{}[]",:\\a \u0000\u00e9'.split(""));
    fc.assert(
      fc.property(fc.string({ unit: likely, maxLength: 40 }), fc.uint8Array(), (text, bytes) => {
        expect(verdict(text, 4)).toBeString();
        expect(verdict(bytes, 4)).toBeString();
      }),
      { numRuns: 5000 },
    );
  });
});

function verdict(text: string | Uint8Array, depthMax: number, valuesMax = 1_000_000): string {
  try {
    scanJson(typeof text === "string" ? utf8(text) : text, { depthMax, valuesMax });
    return "passes";
  } catch (error) {
    if (error instanceof TorrentError) return error.code;
    throw error;
  }
}

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function escapeAll(character: string): string {
  return [...Array(character.length).keys()]
    .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`)
    .join("");
}
