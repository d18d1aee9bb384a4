import type { OutputEvent } from "../events.ts";
import { formatNote, formatProgress } from "./progress-line.ts";
import type { Screen } from "./screen.ts";
import type { View } from "./view.ts";

const INTERVAL_MS = 30_000;

/** Progress for what is no terminal: a line every 30 s, and why nothing moves. */
export class PlainView implements View {
  readonly #screen: Screen;
  #shownAtMs: number | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  show(event: OutputEvent, nowMs: number): void {
    if (event.type === "torrent") this.#shownAtMs = undefined;
    if (event.type !== "progress" && event.type !== "hashing") {
      const note = formatNote(event);
      if (note !== undefined) this.#screen.print(note);
      return;
    }
    this.#shownAtMs ??= nowMs;
    if (nowMs - this.#shownAtMs < INTERVAL_MS) return;
    this.#shownAtMs = nowMs;
    this.#screen.print(formatProgress(event, false).trimStart());
  }
}
