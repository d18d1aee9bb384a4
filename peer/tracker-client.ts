import type { Static, TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import {
  type HashRequest,
  HashResponse,
  type PeersRequest,
  PeersResponse,
} from "../protocol/announce.ts";
import { parseSwarmHash, type SwarmHash } from "../protocol/ids.ts";
import type { Clock } from "./clock.ts";
import { createDeadline } from "./deadline.ts";
import { TrackerError } from "./errors.ts";

/** Talks to one tracker, trusting nothing it says: no redirects, no compression, little time, few bytes, a checked form. */
export class TrackerClient {
  /** Base URL without a slash at its end. */
  readonly url: string;
  readonly #clock: Clock;

  /** @param url http or https, checked already */
  constructor(clock: Clock, url: string) {
    this.#clock = clock;
    this.url = url.replace(/\/+$/, "");
  }

  /** Registers a new swarm; the caller is its first peer.
   * @throws {TrackerError} unreachable, rejected, bad_answer; the signal's reason */
  async register(request: HashRequest, signal?: AbortSignal): Promise<SwarmHash> {
    const answer = await this.#post("/hash", request, HashResponse, signal);
    const hash = parseSwarmHash(answer.hash);
    if (hash === undefined) throw this.#badAnswer("its hash is no uuid");
    return hash;
  }

  /** Says that we are there (or go) and asks for others.
   * @throws {TrackerError} unreachable, rejected, bad_answer, unknown_swarm; the signal's reason */
  async announce(request: PeersRequest, signal?: AbortSignal): Promise<PeersResponse> {
    return await this.#post("/peers", request, PeersResponse, signal);
  }

  /** Finds out whether anybody answers where the tracker should be, whatever the answer.
   * @throws {TrackerError} unreachable; the signal's reason */
  async ping(signal?: AbortSignal): Promise<void> {
    using deadline = createDeadline(this.#clock, ANSWER_MS_MAX, signal);
    const asked = fetch(`${this.url}/ready`, {
      headers: { "accept-encoding": "identity", connection: "close" },
      redirect: "manual",
      decompress: false,
      keepalive: false,
      signal: deadline.signal,
    });
    const response = await asked.catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw new TrackerError("unreachable", `Cannot ask tracker ${this.url}: no answer`, { cause });
    });
    await response.body?.cancel();
  }

  async #post<Schema extends TSchema>(
    path: string,
    body: object,
    schema: Schema,
    signal: AbortSignal | undefined,
  ): Promise<Static<Schema>> {
    using deadline = createDeadline(this.#clock, ANSWER_MS_MAX, signal);
    const text = await this.#fetch(path, body, deadline.signal).catch((cause: unknown) => {
      signal?.throwIfAborted();
      if (cause instanceof TrackerError) throw cause;
      throw new TrackerError("unreachable", `Cannot ask tracker ${this.url}: no answer`, { cause });
    });
    const answer = this.#parse(text);
    if (!Value.Check(schema, answer))
      throw this.#badAnswer("its fields are not those of a tracker");
    return answer;
  }

  async #fetch(path: string, body: object, signal: AbortSignal): Promise<string> {
    const response = await fetch(this.url + path, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "accept-encoding": "identity",
        connection: "close",
      },
      body: JSON.stringify(body),
      redirect: "error",
      decompress: false,
      keepalive: false,
      signal,
    });
    const text = await readBounded(response, () =>
      this.#badAnswer(`it is longer than ${ANSWER_BYTES_MAX} bytes`),
    );
    if (response.ok) return text;
    if (response.status === 404 && isUnknownSwarm(text)) {
      throw new TrackerError(
        "unknown_swarm",
        `Cannot use tracker ${this.url}: it does not know the hash`,
      );
    }
    const retryAfterSeconds = parseRetryAfter(response.headers.get("retry-after"));
    throw new TrackerError(
      "rejected",
      `Cannot use tracker ${this.url}: it answered ${response.status}`,
      {
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      },
    );
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw this.#badAnswer("it is not JSON", cause);
    }
  }

  #badAnswer(what: string, cause?: unknown): TrackerError {
    return new TrackerError("bad_answer", `Cannot understand tracker ${this.url}: ${what}`, {
      cause,
    });
  }
}

async function readBounded(response: Response, tooLong: () => TrackerError): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** A tracker's 404 carries `peers`; any other web server's does not. */
function isUnknownSwarm(text: string): boolean {
  try {
    const answer: unknown = JSON.parse(text);
    return typeof answer === "object" && answer !== null && "peers" in answer;
  } catch {
    return false;
  }
}

function parseRetryAfter(header: string | null): number | undefined {
  if (header === null || !/^\d{1,6}$/.test(header)) return undefined;
  return Math.min(Number(header), RETRY_AFTER_SECONDS_MAX);
}

const ANSWER_MS_MAX = 10_000;
const ANSWER_BYTES_MAX = 256 * 1024;
const RETRY_AFTER_SECONDS_MAX = 3600;
