import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LINE_BYTES_MAX, type LineCommand, parseLine } from "../../../peer/cli/line-parser.ts";
import { readLines } from "../../../peer/cli/lines.ts";
import { UsageError } from "../../../peer/errors.ts";

function upload(file: string, torrent: string): LineCommand {
  return { command: "upload", file, torrent };
}

describe("parseLine", () => {
  test("parseLine reads the commands of the interactive form", () => {
    const cases: readonly (readonly [string, LineCommand | undefined])[] = [
      ["upload a b", upload("a", "b")],
      ["  upload\ta   b  ", upload("a", "b")],
      ["download t f", { command: "download", torrent: "t", file: "f" }],
      ["list", { command: "list" }],
      ["status", { command: "status" }],
      ["help", { command: "help" }],
      ["quit\r", { command: "quit" }],
      ["", undefined],
      ["   \t ", undefined],
    ];
    for (const [line, command] of cases) expect([line, parseLine(line)]).toEqual([line, command]);
  });

  test("parseLine takes quoted paths with spaces and escapes inside double quotes", () => {
    const cases: readonly (readonly [string, LineCommand])[] = [
      ['upload "my file.bin" \'the "torrent".json\'', upload("my file.bin", 'the "torrent".json')],
      ['upload "a\\"b\\\\c" d', upload('a"b\\c', "d")],
      ['upload "C:\\dir\\x" d', upload("C:\\dir\\x", "d")],
      ["upload C:\\dir '\\'", upload("C:\\dir", "\\")],
      ["upload pre\" mid \"post' end' d", upload("pre mid post end", "d")],
      ["upload *.bin $(rm);|&`x` ", upload("*.bin", "$(rm);|&`x`")],
      ["upload Grüße.bin 東京.json", upload("Grüße.bin", "東京.json")],
    ];
    for (const [line, command] of cases) expect([line, parseLine(line)]).toEqual([line, command]);
  });

  test("CTL-2: parseLine refuses what makes no sense, saying what would", () => {
    const cases: readonly (readonly [string, string])[] = [
      ["uplod a b", 'unknown command "uplod"'],
      ["UPLOAD a b", "unknown command"],
      ["constructor", "unknown command"],
      ["upload", "expected: upload path_to_file path_to_torrent"],
      ["upload a", "expected: upload"],
      ["upload a b c", "expected: upload"],
      ['upload "" b', "expected: upload"],
      ["download t", "expected: download path_to_torrent path_to_file"],
      ["list all", "expected: list"],
      ['upload "a b', 'a " is not closed'],
      ["upload 'a b", "a ' is not closed"],
      ['upload a "b\\"', 'a " is not closed'],
      ["upload a\0b c", "control character"],
      ["\x1b[A", "control character"],
      ["upload a\nlist", "control character"],
    ];
    for (const [line, message] of cases) {
      expect(() => parseLine(line)).toThrow(UsageError);
      expect(() => parseLine(line)).toThrow(message);
    }
  });

  test("CTL-2: parseLine takes a line of exactly 4 KiB and refuses one byte more", () => {
    const longest = `upload ${"é".repeat(2000)} ${"b".repeat(LINE_BYTES_MAX - 4008)}`;
    expect(Buffer.byteLength(longest)).toBe(LINE_BYTES_MAX);
    expect(parseLine(longest)?.command).toBe("upload");
    expect(() => parseLine(`${longest}b`)).toThrow("longer than 4096 bytes");
  });

  test("CTL-2: parseLine of any line gives a command, nothing, or a UsageError", () => {
    const token = fc.constantFrom(
      "upload",
      "download",
      "list",
      " ",
      "\t",
      '"',
      "'",
      "\\",
      "a b",
      "\0",
      "é",
    );
    const line = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(token, { maxLength: 12 }).map((tokens) => tokens.join("")),
    );
    fc.assert(
      fc.property(line, (text) => {
        try {
          const command = parseLine(text);
          if (command === undefined) expect(text.trim()).toBe("");
          else if ("file" in command) expect(command.file && command.torrent).toBeTruthy();
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { numRuns: 20_000 },
    );
  });

  test("CTL-2: parseLine gives back any two paths that were quoted", () => {
    const path = fc
      .string({ unit: "binary", minLength: 1, maxLength: 50 })
      .filter((text) => !/(?!\t)\p{Cc}/u.test(text));
    const quote = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;
    fc.assert(
      fc.property(path, path, (file, torrent) => {
        expect(parseLine(`upload ${quote(file)} ${quote(torrent)}`)).toEqual(upload(file, torrent));
      }),
      { numRuns: 2000 },
    );
  });
});

async function* toChunks(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

async function linesOf(...chunks: readonly string[]): Promise<readonly string[]> {
  const bytes = chunks.map((chunk) => new TextEncoder().encode(chunk));
  return await Array.fromAsync(readLines(toChunks(bytes)));
}

describe("readLines", () => {
  test("readLines cuts wherever the chunks end, and gives an unfinished last line", async () => {
    expect(await linesOf("up", "load a b\nli", "st\r\n\nq", "uit")).toEqual([
      "upload a b",
      "list",
      "",
      "quit",
    ]);
    expect(await linesOf("list\n")).toEqual(["list"]);
    expect(await linesOf()).toEqual([]);
  });

  test("readLines keeps a character whole that two chunks share", async () => {
    const [first, second] = [Uint8Array.of(0xc3), Uint8Array.of(0xa9, 0x0a)];
    expect(await Array.fromAsync(readLines(toChunks([first, second])))).toEqual(["é"]);
  });

  test("CTL-2: readLines holds one line at most, refuses its excess and goes on with the next", async () => {
    const endless = Array.from({ length: 100 }, () => "x".repeat(65_536));
    const [long = "", next] = await linesOf(...endless, "\nlist\n");
    expect(long).toHaveLength(LINE_BYTES_MAX + 1);
    expect(() => parseLine(long)).toThrow("longer than");
    expect(next).toBe("list");
  });
});
