import { stripVTControlCharacters } from "node:util";
import { peerCommand, peerEnvironment, type StartPeerOptions } from "./peer-process.ts";
import { waitUntil } from "./wait.ts";

/** A peer at a terminal, driven as a person would: what it shows is read, lines are typed. */
export class TerminalPeer implements AsyncDisposable {
  readonly exited: Promise<number>;
  readonly #child: Bun.Subprocess;
  #raw = "";
  #isRunning = true;

  constructor(
    options: Omit<StartPeerOptions, "stdin" | "cwd"> & {
      readonly cwd: string;
      readonly columns?: number;
      /** Told of everything it shows, as it comes. */
      readonly onShown?: (text: string) => void;
    },
  ) {
    const { args, cwd, columns = 120 } = options;
    const decoder = new TextDecoder();
    this.#child = Bun.spawn([...peerCommand(), ...args], {
      cwd,
      env: { ...peerEnvironment(options), TERM: "xterm-256color", PEER_LOG_LEVEL: "warn" },
      // Given so and not as an object, it is the controlling terminal: its keys send signals.
      terminal: {
        cols: columns,
        rows: 40,
        data: (_terminal, data) => {
          const text = decoder.decode(data, { stream: true });
          options.onShown?.(text);
          this.#raw += text;
        },
      },
    });
    this.exited = this.#child.exited.finally(() => {
      this.#isRunning = false;
    });
  }

  /** All that was shown, control sequences included. */
  get raw(): string {
    return this.#raw;
  }

  /** Every text that stood on a line of its own at some time, without control sequences. */
  get lines(): readonly string[] {
    return stripVTControlCharacters(this.#raw)
      .split(/[\r\n]+/)
      .map((line) => line.trimEnd());
  }

  /** Types a line and the key Enter. */
  type(line: string): void {
    this.#child.terminal?.write(`${line}\r`);
  }

  /** Types a key, such as Ctrl-C: `\x03`. */
  press(key: string): void {
    this.#child.terminal?.write(key);
  }

  /** Waits for a line that is as wanted. */
  async line(wanted: string | RegExp, options: { readonly count?: number } = {}): Promise<string> {
    const { count = 1 } = options;
    const isWanted = (line: string): boolean =>
      typeof wanted === "string" ? line === wanted : wanted.test(line);
    const state = (): string => this.lines.slice(-40).join("\n");
    return await waitUntil(
      () => {
        const wasRunning = this.#isRunning;
        const found = this.lines.filter(isWanted)[count - 1];
        if (found === undefined && !wasRunning) {
          throw new Error(`It ended without ${wanted}.\n${state()}`);
        }
        return found;
      },
      `line ${wanted}`,
      { state },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isRunning) this.#child.kill("SIGKILL");
    await this.exited;
    this.#child.terminal?.close();
  }
}
