import { LINE_BYTES_MAX } from "./line-parser.ts";

const NEWLINE = 0x0a;

/** Cuts bytes into lines without ever holding more than one line: of a longer one the beginning is given, too long to be
 * accepted by `parseLine`, and the rest is skipped.
 * @param chunks UTF-8; each belongs to the generator until the next is asked for
 * @yields each line without its `\n` or `\r\n`; the last one too when it does not end in one */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const line = new LineBuffer();
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      line.add(chunk.subarray(start, end));
      yield line.take();
      start = end + 1;
    }
    line.add(chunk.subarray(start));
  }
  if (line.length > 0) yield line.take();
}

class LineBuffer {
  readonly #bytes = new Uint8Array(LINE_BYTES_MAX + 1);
  length = 0;

  add(bytes: Uint8Array): void {
    const kept = bytes.subarray(0, this.#bytes.length - this.length);
    this.#bytes.set(kept, this.length);
    this.length += kept.length;
  }

  take(): string {
    const text = new TextDecoder().decode(this.#bytes.subarray(0, this.length));
    this.length = 0;
    return text.replace(/\r$/, "");
  }
}
