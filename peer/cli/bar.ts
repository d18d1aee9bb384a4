import type { SingleBar } from "cli-progress";
import type { OutputEvent, ProgressEvent } from "../events.ts";
import { printable } from "../printable.ts";
import type { Paint } from "./paint.ts";
import { formatNote, formatProgress, type Hashing, percentShown } from "./progress-line.ts";
import type { Screen } from "./screen.ts";
import type { View } from "./view.ts";

/** Characters of the drawn bar at most, and the fewest worth drawing. */
const BAR_CHARS_MAX = 40;
const BAR_CHARS_MIN = 8;
const NAME_CHARS_MAX = 24;
const FRAMES_PER_SECOND = 8;

type Shown = ProgressEvent | Hashing;

/** Progress as a bar on a terminal, redrawn by cli-progress as time goes; everything else is printed above it. */
export class BarView implements View {
  readonly #screen: Screen;
  readonly #paint: Paint;
  #bar: SingleBar | undefined;
  #shown: Shown | undefined;
  #name = "";
  #isProven = false;

  constructor(screen: Screen, paint: Paint) {
    this.#screen = screen;
    this.#paint = paint;
  }

  show(event: OutputEvent): void {
    switch (event.type) {
      case "progress":
      case "hashing":
        this.#update(event);
        break;
      case "torrent":
        this.#stop();
        this.#name = printable(event.name ?? event.hash, NAME_CHARS_MAX);
        break;
      case "downloaded":
      case "uploaded":
      case "verified":
        this.#isProven = event.type === "downloaded";
        this.#stop();
        break;
      case "error":
      case "summary":
        this.#stop();
        break;
      default:
    }
    const note = formatNote(event);
    if (note !== undefined) this.#screen.print(note);
  }

  #update(event: Shown): void {
    if (this.#shown?.type !== event.type) this.#stop();
    this.#shown = event;
    if (this.#bar !== undefined) return;
    this.#bar = createBar(this.#screen, () => this.#draw());
    this.#bar.start(event.bytesTotal, event.bytesDone);
  }

  /** The last state is drawn once more and stays on the terminal. */
  #stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    this.#shown = undefined;
    this.#isProven = false;
  }

  #draw(): string {
    if (this.#shown === undefined) return "";
    const words = formatProgress(this.#shown, this.#isProven);
    // The last column stays free: some terminals begin a new line when it is written.
    const columns = this.#screen.columns - 1;
    const roomWithout = columns - words.length - "[] ".length;
    if (roomWithout < BAR_CHARS_MIN) return words.slice(0, columns);
    // On a narrow terminal the bar is worth more than the name.
    const hasName = this.#name !== "" && roomWithout - this.#name.length - 1 >= BAR_CHARS_MIN;
    const name = hasName ? `${this.#name} ` : "";
    const room = roomWithout - name.length;
    const chars = Math.min(room, BAR_CHARS_MAX);
    const full = Math.floor((percentShown(this.#shown, this.#isProven) / 100) * chars);
    return `${name}[${this.#paint("cyan", "#".repeat(full))}${"-".repeat(chars - full)}] ${words}`;
  }
}

/** cli-progress keeps the time and asks for the text; where it stands is the screen's business, since the library would go
 * back to the place where its bar began, over lines printed since. */
function createBar(screen: Screen, draw: () => string): SingleBar {
  const nothing = (): void => {};
  const terminal = {
    isTTY: () => true,
    getWidth: () => screen.columns,
    write: (text: string) => screen.stick(text),
    newline: () => screen.release("stays"),
    cursor: nothing,
    cursorTo: nothing,
    cursorSave: nothing,
    cursorRestore: nothing,
    clearLine: nothing,
    clearRight: nothing,
    lineWrapping: nothing,
  };
  const options = { format: draw, fps: FRAMES_PER_SECOND, gracefulExit: false, terminal };
  // Loaded when the first bar is drawn: 10 ms from source, which a run that draws none does not pay for.
  const library: typeof import("cli-progress") = require("cli-progress");
  return new library.SingleBar(options);
}
