import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { escapeUnprintable, printable } from "../../../peer/printable.ts";

const ACTS = /[\p{Cc}\p{Cs}\p{Bidi_Control}\p{Zl}\p{Zp}]|\u200b|\ufeff|\u{e0041}/u;

describe("printable", () => {
  test("CLI-6: printable strips what acts on a terminal, hides or reorders", () => {
    const cases: readonly (readonly [string, string])[] = [
      ["\x1b]52;c;ZXZpbA==\x07", "]52;c;ZXZpbA=="],
      ["\x1b[2J\x9b31m", "[2J31m"],
      ["invoice\u202efdp.exe", "invoicefdp.exe"],
      ["\u2066a\u2069\u200e\u061c", "a"],
      ["a\u200bb\u200dc\ufeffd\u00ade", "abcde"],
      ["tag\u{e0041}\u{e007f}", "tag"],
      ["line\nline\r\tend\u2028\u0085", "linelineend"],
      ["\ud800 lone", " lone"],
    ];
    for (const [text, clean] of cases) expect(printable(text)).toBe(clean);
  });

  test("printable leaves what people write as it is", () => {
    for (const text of ["Grüße aus 東京.iso", "emoji 🎉.bin", "שלום", "a b"]) {
      expect(printable(text)).toBe(text);
    }
  });

  test("CLI-6: printable cuts to 200 characters and says so", () => {
    expect(printable("x".repeat(200))).toBe("x".repeat(200));
    expect(printable("x".repeat(201))).toBe(`${"x".repeat(199)}…`);
    expect(printable("\x1b".repeat(10_000_000))).toBe("…");
    expect(printable("🎉".repeat(300), 10)).toBe("🎉🎉🎉🎉…");
  });

  test("CLI-6: printable of any text acts on no terminal and is short", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400 }), (text) => {
        const shown = printable(text);
        expect(shown.length).toBeLessThanOrEqual(200);
        expect(ACTS.test(shown)).toBe(false);
      }),
    );
  });

  test("CLI-6: escapeUnprintable changes how JSON looks, never what it says", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const json = escapeUnprintable(JSON.stringify({ text }));
        expect(ACTS.test(json)).toBe(false);
        expect(JSON.parse(json)).toEqual({ text });
      }),
    );
  });
});
