import type { OutputEvent } from "../events.ts";
import { formatErrorLine } from "./exit-codes.ts";
import type { Paint } from "./paint.ts";
import type { Screen } from "./screen.ts";
import type { View } from "./view.ts";

/** Errors as one line each on standard error, whatever else is silenced. */
export class ErrorsView implements View {
  readonly #screen: Screen;
  readonly #paint: Paint;

  constructor(screen: Screen, paint: Paint) {
    this.#screen = screen;
    this.#paint = paint;
  }

  show(event: OutputEvent): void {
    if (event.type !== "error") return;
    const line = formatErrorLine({ ...event, exitCode: event.code });
    this.#screen.print(line.replace(/^ERROR/, this.#paint("red", "ERROR")));
  }
}
