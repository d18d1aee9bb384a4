import type { Logger } from "@logtape/logtape";
import { Elysia } from "elysia";
import type { AddressSource } from "./client-address.ts";
import type { Random } from "./clock.ts";
import { toRefusal } from "./refusal.ts";
import type { Commit, Meter, Stopwatch, TimeCommit } from "./watch.ts";

export interface RequestWatchOptions {
  /** From how many milliseconds on an answer or a commit is worth a warning. */
  readonly slowMs: number;
  /** Counts too, where somebody reads the figures. */
  readonly meter?: Meter | undefined;
  /** Is told that something was answered. */
  readonly onAnswered?: (() => void) | undefined;
  /** Whether the one at the other end of the connection may name a request: a proxy of ours. Absent: nobody may. */
  readonly mayName?: (request: Request, server: AddressSource | null) => boolean;
}

interface Mark {
  readonly id: string;
  readonly startedAt: number;
}

/** As proxies write it of a caller who did not wait for his answer. */
const CLIENT_GONE = 499;
const ID_HEADER = "x-request-id";
/** What goes into logs and headers as it is. */
const WELL_FORMED = /^[A-Za-z0-9._:-]{1,64}$/;
const ROUTES: ReadonlySet<string> = new Set([
  "/",
  "/hash",
  "/peers",
  "/ready",
  "/stats",
  "/metrics",
  "/openapi",
  "/events",
]);
/** Of what is slow, or refused since all is slow, at most a line in so many milliseconds: a tracker in trouble must not
 * spend its time telling of it. */
const TROUBLE_LINE_MS = 1000;

/** Gives each request an id, times it and tells of it: to the log, to the meter, and in the answer's `x-request-id`. */
export class RequestWatch {
  readonly #log: Logger;
  readonly #stopwatch: Stopwatch;
  readonly #options: RequestWatchOptions;
  readonly #random: Random;
  /** Drawn with the first request: before it, an edge host has no chance to give. */
  #idBase: string | undefined;
  readonly #isVerbose: boolean;
  readonly #marks = new WeakMap<Request, Mark>();
  readonly #slowRequests: Thinned;
  readonly #slowCommits: Thinned;
  readonly #busy: Thinned;
  #count = 0;

  /** @param log set up already: whether it takes debug lines is asked once */
  constructor(log: Logger, stopwatch: Stopwatch, random: Random, options: RequestWatchOptions) {
    this.#log = log;
    this.#stopwatch = stopwatch;
    this.#options = options;
    this.#random = random;
    this.#isVerbose = log.isEnabledFor("debug");
    this.#slowRequests = new Thinned(stopwatch);
    this.#slowCommits = new Thinned(stopwatch);
    this.#busy = new Thinned(stopwatch);
  }

  get meter(): Meter | undefined {
    return this.#options.meter;
  }

  /** Stands around all that is used after it. */
  plugin() {
    return new Elysia()
      .onRequest(({ request, server, set }) => {
        set.headers[ID_HEADER] = this.#begin(request, server);
      })
      .onAfterHandle({ as: "global" }, ({ request, path, set, response }) => {
        const status = response instanceof Response ? response.status : set.status;
        this.#end(request, path, typeof status === "number" ? status : 200);
      })
      .onError({ as: "global" }, ({ request, path, code, error }) => {
        if (isGone(request, error)) return this.#forget(request, path);
        const { status, body } = toRefusal(code, error);
        this.meter?.refused(body.code ?? "internal");
        if (status >= 500) this.#tellFailure(request, error, status);
        this.#end(request, path, status);
      });
  }

  /** For the store, which does not know of requests. */
  readonly timeCommit: TimeCommit = async ({ announces, waiting }, commit) => {
    const startedAt = this.#stopwatch();
    let succeeded = false;
    try {
      const result = await commit();
      succeeded = true;
      return result;
    } finally {
      const ms = this.#stopwatch() - startedAt;
      this.#committed({ ms, announces, waiting: waiting(), succeeded });
    }
  };

  #begin(request: Request, server: AddressSource | null): string {
    this.meter?.began();
    const id = this.#givenId(request, server) ?? this.#newId();
    this.#marks.set(request, { id, startedAt: this.#stopwatch() });
    return id;
  }

  #newId(): string {
    this.#idBase ??= this.#random.uint32().toString(36).padStart(7, "0");
    return `${this.#idBase}-${(this.#count++).toString(36)}`;
  }

  #givenId(request: Request, server: AddressSource | null): string | undefined {
    if (this.#options.mayName?.(request, server) !== true) return undefined;
    const given = request.headers.get(ID_HEADER);
    return given !== null && WELL_FORMED.test(given) ? given : undefined;
  }

  #end(request: Request, path: string, status: number): void {
    const mark = this.#marks.get(request);
    if (mark === undefined) return;
    this.#marks.delete(request);
    this.#options.onAnswered?.();
    const { id: requestId, startedAt } = mark;
    const ms = this.#stopwatch() - startedAt;
    const route = ROUTES.has(path) ? path : "other";
    this.meter?.answered({ route, status, ms });
    if (this.#isVerbose) {
      const { method } = request;
      this.#log.debug("Answered", { requestId, method, route, status, ms: rounded(ms) });
    }
    if (ms < this.#options.slowMs || status === CLIENT_GONE) return;
    this.#slowRequests.tell((untold) => {
      this.#log.warn("Slow request", { requestId, route, status, ms: rounded(ms), untold });
    });
  }

  /** Nobody hears the answer, and nothing is wrong here: whoever hangs up in the middle of a body must not raise alarms. */
  #forget(request: Request, path: string): void {
    this.meter?.refused("client_gone");
    this.#end(request, path, CLIENT_GONE);
  }

  /** A store that is busy says so to all who wait; a failure of ours is told each time. */
  #tellFailure(request: Request, error: unknown, status: number): void {
    const requestId = this.#marks.get(request)?.id;
    const reason = error instanceof Error ? error.message : String(error);
    const tell = (untold: number): void =>
      this.#log.error("Cannot answer a request: {reason}", {
        reason,
        error,
        requestId,
        status,
        untold,
      });
    if (status === 503) this.#busy.tell(tell);
    else tell(0);
  }

  #committed(commit: Commit): void {
    this.meter?.committed(commit);
    const { ms, announces, waiting, succeeded } = commit;
    if (ms < this.#options.slowMs) return;
    this.#slowCommits.tell((untold) => {
      const figures = { ms: rounded(ms), announces, waiting, succeeded, untold };
      this.#log.warn("Slow commit", figures);
    });
  }
}

function isGone(request: Request, error: unknown): boolean {
  return request.signal.aborted && error instanceof Error && error.name === "AbortError";
}

/** Lets one in TROUBLE_LINE_MS through, and says how many it kept back before. */
class Thinned {
  readonly #stopwatch: Stopwatch;
  #toldAt = Number.NEGATIVE_INFINITY;
  #untold = 0;

  constructor(stopwatch: Stopwatch) {
    this.#stopwatch = stopwatch;
  }

  tell(line: (untold: number) => void): void {
    const now = this.#stopwatch();
    if (now - this.#toldAt < TROUBLE_LINE_MS) {
      this.#untold++;
      return;
    }
    line(this.#untold);
    this.#toldAt = now;
    this.#untold = 0;
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
