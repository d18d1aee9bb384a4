import type { OutputEvent, ProgressEvent } from "../events.ts";
import { escapeUnprintable } from "../printable.ts";
import type { LineOutput } from "./output.ts";
import type { View } from "./view.ts";

/** Progress is told at most this often, in milliseconds, and once more when all bytes are there. */
const PROGRESS_MS = 1000;
/** What a slow reader has not taken yet, in characters, before progress is left out for it. */
const PENDING_CHARS_MAX = 65_536;

/** `--json`: one event a line. */
export class JsonView implements View {
  readonly #output: LineOutput;
  #progressAtMs = Number.NEGATIVE_INFINITY;
  #bytesDone = -1;

  constructor(output: LineOutput) {
    this.#output = output;
  }

  show(event: OutputEvent, nowMs: number): void {
    if (event.type === "torrent") this.#bytesDone = -1;
    if (event.type === "hashing" || event.type === "progress") {
      if (!this.#isWorthALine(event, nowMs)) return;
      this.#progressAtMs = nowMs;
      this.#bytesDone = event.bytesDone;
    }
    this.#output.line(escapeUnprintable(JSON.stringify(event)));
  }

  #isWorthALine(event: Pick<ProgressEvent, "bytesDone" | "bytesTotal">, nowMs: number): boolean {
    if (this.#output.pendingChars > PENDING_CHARS_MAX) return false;
    const isLast = event.bytesDone === event.bytesTotal && this.#bytesDone !== event.bytesDone;
    return isLast || nowMs - this.#progressAtMs >= PROGRESS_MS;
  }
}
