import type { TextStream } from "./output.ts";

/** Standard error, perhaps a terminal. */
export interface ScreenStream extends TextStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

const COLUMNS_DEFAULT = 80;
const CLEAR_LINE = "\r\x1b[2K";

/** The only writer on standard error, so that a bar and lines never tear each other: a line is printed above the bar in one
 * write, which clears the bar, prints, and draws it again. What cannot be written is lost: there is nobody to tell. */
export class Screen {
  readonly isTerminal: boolean;
  readonly #stream: ScreenStream;
  /** What stands on the terminal's last line now, and goes on standing below every printed line. */
  #sticky: string | undefined;
  #pending = 0;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(stream: ScreenStream, options: { readonly isDumb: boolean }) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY === true && !options.isDumb;
    stream.on("error", () => {});
  }

  /** Characters in a line of the terminal. */
  get columns(): number {
    return this.#stream.columns || COLUMNS_DEFAULT;
  }

  /** @param line without its line end; already fit to be shown */
  print(line: string): void {
    this.#write(this.#sticky === undefined ? `${line}\n` : `${CLEAR_LINE}${line}\n${this.#sticky}`);
  }

  /** Puts a text below everything printed, in place of the one before.
   * @param text no longer than `columns` */
  stick(text: string): void {
    this.#sticky = text;
    this.#write(`${CLEAR_LINE}${text}`);
  }

  /** Ends the sticky text: it stays where it stands, or goes. */
  release(fate: "stays" | "goes"): void {
    if (this.#sticky === undefined) return;
    this.#sticky = undefined;
    this.#write(fate === "stays" ? "\n" : CLEAR_LINE);
  }

  /** Resolves when everything written has been taken or has failed. */
  async flush(): Promise<void> {
    if (this.#pending === 0) return;
    this.#idle ??= Promise.withResolvers();
    await this.#idle.promise;
  }

  #write(text: string): void {
    this.#pending++;
    this.#stream.write(text, () => {
      this.#pending--;
      if (this.#pending > 0) return;
      this.#idle?.resolve();
      this.#idle = undefined;
    });
  }
}
