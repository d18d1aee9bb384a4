import type { Clock } from "../clock.ts";
import type { OutputEvent, PeerEvents, Totals, TransferProgress, WaitingEvent } from "../events.ts";
import type { Result } from "../result.ts";
import { EXIT_CODES, type Exit, isFailure, toExit } from "./exit-codes.ts";
import { MovingRate } from "./rate.ts";
import { StallWatch } from "./stall.ts";
import type { View } from "./view.ts";

/** How often rate, ETA and waiting are looked at when nothing comes in, in milliseconds. */
const TICK_MS = 500;
/** An ETA beyond 100 days says nothing. */
const ETA_SECONDS_MAX = 8_640_000;

const NO_TOTALS: Totals = {
  bytes: 0,
  bytesPerPeer: {},
  badParts: 0,
  duplicateBytes: 0,
  resumedBytes: 0,
};

/** Takes a run's events, adds what time tells (rate, ETA, "nothing moves"), and shows them in every view: start first,
 * summary last, and nothing after it. One transfer after the other may be reported, as in the interactive form. */
export class Report {
  readonly #clock: Pick<Clock, "monotonic" | "sleep">;
  readonly #views: readonly View[];
  readonly #hints: Readonly<Partial<Record<Result, string>>>;
  readonly #startedMs: number;
  readonly #stall = new StallWatch();
  #rate = new MovingRate();
  #progress: TransferProgress | undefined;
  #waiting: WaitingEvent | undefined;
  #totals = NO_TOTALS;
  #ticking: AbortController | undefined;
  #isFinished = false;

  /** @param hints in place of those that exit-codes.ts knows */
  constructor(
    clock: Pick<Clock, "monotonic" | "sleep">,
    views: readonly View[],
    hints: Readonly<Partial<Record<Result, string>>> = {},
  ) {
    this.#clock = clock;
    this.#views = views;
    this.#hints = hints;
    this.#startedMs = clock.monotonic();
  }

  /** Must come before every event. */
  start(verb: string, version: string): void {
    this.#show({ type: "start", v: 1, verb, version });
  }

  /** Shows an event, or keeps it for its time; may be passed on as a function. */
  readonly emit = (event: PeerEvents): void => {
    switch (event.type) {
      case "progress":
        this.#onProgress(event);
        return;
      case "waiting":
        this.#waiting = event;
        this.#showWaiting();
        return;
      case "downloaded":
        this.#showProgress();
        this.#endTransfer();
        break;
      case "torrent":
      case "uploaded":
        this.#endTransfer();
        break;
      default:
    }
    this.#show(event);
  };

  /** Sets what the summary says of bytes; the last call counts. */
  setTotals(totals: Totals): void {
    this.#totals = totals;
  }

  /** Shows why something ended, unless it was stopped on purpose.
   * @param error anything that was thrown */
  fail(error: unknown): Exit {
    const exit = toExit(error);
    this.#endTransfer();
    const { exitCode, name, message } = exit;
    const hint = this.#hints[name] ?? exit.hint;
    if (isFailure(exit)) this.#show({ type: "error", code: exitCode, name, message, hint });
    return exit;
  }

  /** Ends the report with its summary; calling it twice does nothing.
   * @returns the exit code */
  finish(result: Result): number {
    const exitCode = EXIT_CODES[result];
    this.#endTransfer();
    const ms = this.#clock.monotonic() - this.#startedMs;
    const seconds = Math.max(0, Math.round(ms) / 1000);
    this.#show({ type: "summary", result, exitCode, seconds, ...this.#totals });
    this.#isFinished = true;
    return exitCode;
  }

  #onProgress(event: TransferProgress): void {
    const nowMs = this.#clock.monotonic();
    this.#progress = event;
    this.#rate.add(nowMs, event.bytesDone);
    this.#stall.progress(nowMs, event.bytesDone, event.bytesTotal);
    if (event.readerBehind) this.#stall.hold(nowMs);
    if (this.#stall.stalledMs(nowMs) === 0) this.#waiting = undefined;
    this.#showProgress();
    if (this.#ticking === undefined && !this.#isFinished) {
      this.#ticking = new AbortController();
      void this.#tick(this.#ticking.signal);
    }
  }

  async #tick(signal: AbortSignal): Promise<void> {
    const sleep = (): Promise<boolean> =>
      this.#clock.sleep(TICK_MS, { signal, background: true }).then(
        () => !signal.aborted,
        () => false,
      );
    while (await sleep()) {
      this.#showProgress();
      this.#showWaiting();
    }
  }

  #showProgress(): void {
    if (this.#progress === undefined) return;
    const { bytesDone, bytesTotal } = this.#progress;
    const bytesPerSecond = this.#rate.bytesPerSecond(this.#clock.monotonic());
    const etaSeconds = Math.ceil((bytesTotal - bytesDone) / bytesPerSecond);
    const isTold = bytesPerSecond > 0 && etaSeconds <= ETA_SECONDS_MAX;
    this.#show({ ...this.#progress, bytesPerSecond, ...(isTold ? { etaSeconds } : {}) });
  }

  #showWaiting(): void {
    const nowMs = this.#clock.monotonic();
    const waiting = this.#waiting ?? this.#unexplained();
    if (this.#stall.isDue(nowMs, `${waiting.reason} ${waiting.message}`)) this.#show(waiting);
  }

  #unexplained(): WaitingEvent {
    const { peers = 0, peersKnown = 0 } = this.#progress ?? {};
    const message =
      peers === 0
        ? `no peer is connected, ${peersKnown} known`
        : `nothing came from ${peers} connected of ${peersKnown} known peers`;
    return { type: "waiting", reason: peers === 0 ? "no_peers" : "no_data", parts: [], message };
  }

  #endTransfer(): void {
    this.#ticking?.abort();
    this.#ticking = undefined;
    this.#stall.end();
    this.#progress = undefined;
    this.#waiting = undefined;
    this.#rate = new MovingRate();
  }

  #show(event: OutputEvent): void {
    if (this.#isFinished) return;
    const nowMs = this.#clock.monotonic();
    for (const view of this.#views) view.show(event, nowMs);
  }
}
