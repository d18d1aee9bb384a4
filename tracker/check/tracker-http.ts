import type { Static, TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import type { Clock } from "../clock.ts";
import { FatalError } from "../errors.ts";

/** What a tracker said, not believed yet. */
export interface Reply {
  readonly status: number;
  readonly text: string;
}

export interface TrackerHttpOptions {
  /** How long one question may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** Larger than any right answer. */
const REPLY_BYTES_MAX = 256 * 1024;

/** Asks a tracker of which nothing is known yet: no redirects, no compression, little time, few bytes. */
export class TrackerHttp {
  /** Without a slash at its end. */
  readonly url: string;
  readonly #clock: Clock;
  readonly #options: TrackerHttpOptions;

  /** @param url http or https, parsed already */
  constructor(clock: Clock, url: string, options: TrackerHttpOptions) {
    this.#clock = clock;
    this.#options = options;
    this.url = url.replace(/\/+$/, "");
  }

  /** @throws {FatalError} tracker, timeout */
  get(path: string): Promise<Reply> {
    return this.#ask(path, { method: "GET" });
  }

  /** @throws {FatalError} tracker, timeout */
  post(path: string, body: object): Promise<Reply> {
    const headers = { "content-type": "application/json" };
    return this.#ask(path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  /** @returns the answer's body, which has the wished status and form
   * @throws {FatalError} tracker, when it has not */
  read<Schema extends TSchema>(
    { status, text }: Reply,
    schema: Schema,
    wishedStatus = 200,
  ): Static<Schema> {
    if (status !== wishedStatus)
      throw this.wrong(`it answered ${status}, expected ${wishedStatus}`);
    const body = parseJson(text);
    if (!Value.Check(schema, body)) throw this.wrong("its answer has not the form of a tracker's");
    return body;
  }

  /** @returns what to throw when the tracker is not as it should be */
  wrong(state: string): FatalError {
    return new FatalError("tracker", `Cannot use tracker ${this.url}: ${state}`, {
      hint: "see the tracker's log, and whether a proxy before it changes its answers",
    });
  }

  async #ask(path: string, init: RequestInit): Promise<Reply> {
    const { timeoutMs } = this.#options;
    const late = new AbortController();
    const done = new AbortController();
    const waiting = this.#clock.sleep(timeoutMs, { signal: done.signal }).then(() => {
      if (!done.signal.aborted) late.abort();
    });
    try {
      return await this.#fetch(path, { ...init, signal: late.signal });
    } catch (cause) {
      if (late.signal.aborted) throw this.#tooLate(path, cause);
      throw cause instanceof FatalError ? cause : this.#unreachable(cause);
    } finally {
      done.abort();
      await waiting;
    }
  }

  async #fetch(path: string, init: RequestInit): Promise<Reply> {
    const response = await fetch(this.url + path, {
      ...init,
      headers: { ...init.headers, "accept-encoding": "identity", connection: "close" },
      redirect: "manual",
      decompress: false,
      keepalive: false,
    });
    const { status } = response;
    if (status >= 300 && status < 400) {
      await response.body?.cancel();
      throw this.wrong(`it answered ${status}, which leads elsewhere`);
    }
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (bytes > REPLY_BYTES_MAX) throw this.wrong(`it said more than ${REPLY_BYTES_MAX} bytes`);
      chunks.push(chunk);
    }
    return { status, text: Buffer.concat(chunks).toString("utf8") };
  }

  #tooLate(path: string, cause: unknown): FatalError {
    const state = `no answer to ${path} within ${this.#options.timeoutMs} ms`;
    return new FatalError("timeout", `Cannot use tracker ${this.url}: ${state}`, {
      cause,
      hint: "see what the tracker waits for, or give it longer with --timeout",
    });
  }

  #unreachable(cause: unknown): FatalError {
    return new FatalError("tracker", `Cannot reach tracker ${this.url}: no answer`, {
      cause,
      hint: "see whether it runs, and whether the URL is right",
    });
  }
}

/** @returns undefined for what is no JSON, which fits no schema of ours */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
