import { UsageError } from "../errors.ts";

/** Longest line of the interactive form, in bytes of UTF-8. */
export const LINE_BYTES_MAX = 4096;

/** How many arguments each command of the interactive form takes, by the words its usage shows. */
export const LINE_COMMANDS = {
  upload: ["path_to_file", "path_to_torrent"],
  download: ["path_to_torrent", "path_to_file"],
  list: [],
  status: [],
  help: [],
  quit: [],
} as const satisfies Readonly<Record<string, readonly string[]>>;

type LineName = keyof typeof LINE_COMMANDS;

/** A typed line that makes sense. */
export type LineCommand =
  | { readonly command: "upload"; readonly file: string; readonly torrent: string }
  | { readonly command: "download"; readonly torrent: string; readonly file: string }
  | { readonly command: Exclude<LineName, "upload" | "download"> };

/** Reads one line of the interactive form; there is no shell, only this: words are parted by blanks; '…' takes all as it
 * is; in "…" a backslash makes a following quote or backslash plain; quoted and plain pieces side by side are one word.
 * @param line without its line end
 * @returns undefined for a line without words
 * @throws {UsageError} bad_argument: too long, a control character, an open quote, an unknown command, a wrong number of
 * arguments */
export function parseLine(line: string): LineCommand | undefined {
  if (Buffer.byteLength(line) > LINE_BYTES_MAX) {
    throw refuse(`it is longer than ${LINE_BYTES_MAX} bytes`);
  }
  const words = splitWords(line.trim());
  const [name, ...args] = words;
  if (name === undefined) return undefined;
  const command = Object.keys(LINE_COMMANDS).find((known): known is LineName => known === name);
  if (command === undefined)
    throw refuse(`unknown command "${name}", type help for those there are`);
  const [first, second, ...rest] = args;
  if (command !== "upload" && command !== "download") {
    if (first !== undefined) throw wrongCount(command);
    return { command };
  }
  if (!first || !second || rest.length > 0) throw wrongCount(command);
  return command === "upload"
    ? { command, file: first, torrent: second }
    : { command, torrent: first, file: second };
}

function splitWords(line: string): readonly string[] {
  if (/(?!\t)\p{Cc}/u.test(line)) throw refuse("it holds a control character");
  const words: string[] = [];
  let at = 0;
  while (at < line.length) {
    const { word, end } = readWord(line, at);
    words.push(word);
    at = skipBlanks(line, end);
  }
  return words;
}

/** @param start where a word begins: no blank
 * @returns the word, and the index after it */
function readWord(line: string, start: number): { readonly word: string; readonly end: number } {
  let word = "";
  let at = start;
  while (at < line.length && !isBlank(line[at])) {
    const piece = readPiece(line, at);
    word += piece.text;
    at = piece.end;
  }
  return { word, end: at };
}

function readPiece(line: string, start: number): { readonly text: string; readonly end: number } {
  const quote = line[start];
  if (quote !== '"' && quote !== "'") return { text: quote ?? "", end: start + 1 };
  let text = "";
  for (let at = start + 1; at < line.length; at++) {
    if (line[at] === quote) return { text, end: at + 1 };
    const isEscape = quote === '"' && line[at] === "\\" && /^["\\]$/.test(line[at + 1] ?? "");
    if (isEscape) at++;
    text += line[at];
  }
  throw refuse(`a ${quote} is not closed`);
}

function skipBlanks(line: string, start: number): number {
  let at = start;
  while (at < line.length && isBlank(line[at])) at++;
  return at;
}

function isBlank(character: string | undefined): boolean {
  return character === " " || character === "\t";
}

function wrongCount(command: LineName): UsageError {
  return refuse(`expected: ${[command, ...LINE_COMMANDS[command]].join(" ")}`);
}

function refuse(state: string): UsageError {
  return new UsageError("bad_argument", `Cannot read the line: ${state}`);
}
