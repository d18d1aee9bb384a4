import { canonicalLiteral } from "../protocol/address-policy.ts";
import type { HashRequest, PeersRequest, PeersResponse } from "../protocol/announce.ts";
import { parseSwarmHash, type SwarmHash } from "../protocol/ids.ts";
import { isHashResponse, isPeersResponse } from "../protocol/tracker-answer.ts";
import type { Clock } from "./clock.ts";
import { createDeadline } from "./deadline.ts";
import { TrackerError } from "./errors.ts";
import { type Lookup, resolveHost, systemLookup } from "./resolve.ts";

/** Talks to one tracker, trusting nothing it says: no redirects, no compression, little time, few bytes, a checked form. */
export class TrackerClient {
  /** Base URL without a slash at its end. */
  readonly url: string;
  readonly #clock: Clock;
  readonly #lookup: Lookup;
  #answeredFrom: string | undefined;

  /** @param url http or https, checked already */
  constructor(clock: Clock, url: string, lookup: Lookup = systemLookup) {
    this.#clock = clock;
    this.#lookup = lookup;
    this.url = url.replace(/\/+$/, "");
  }

  /** The address, as an IP literal, that gave the last answer; undefined when that is not known. */
  get answeredFrom(): string | undefined {
    return this.#answeredFrom;
  }

  /** Registers a new swarm; the caller is its first peer.
   * @throws {TrackerError} unreachable, rejected, bad_answer; the signal's reason */
  async register(request: HashRequest, signal?: AbortSignal): Promise<SwarmHash> {
    const answer = await this.#post("/hash", request, isHashResponse, signal);
    const hash = parseSwarmHash(answer.hash);
    if (hash === undefined) throw this.#badAnswer("its hash is no uuid");
    return hash;
  }

  /** Says that we are there (or go) and asks for others.
   * @throws {TrackerError} unreachable, rejected, bad_answer, unknown_swarm; the signal's reason */
  async announce(request: PeersRequest, signal?: AbortSignal): Promise<PeersResponse> {
    return await this.#post("/peers", request, isPeersResponse, signal);
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

  async #post<Answer>(
    path: string,
    body: object,
    isAnswer: (answer: unknown) => answer is Answer,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    using deadline = createDeadline(this.#clock, ANSWER_MS_MAX, signal);
    const text = await this.#ask(path, body, deadline.signal).catch((cause: unknown) => {
      signal?.throwIfAborted();
      if (cause instanceof TrackerError) throw cause;
      throw new TrackerError("unreachable", `Cannot ask tracker ${this.url}: no answer`, { cause });
    });
    const answer = this.#parse(text);
    if (!isAnswer(answer)) throw this.#badAnswer("its fields are not those of a tracker");
    return answer;
  }

  /** Asks at one address after the other that the tracker's name has, until one answers. The connection is made to the
   * address itself: how near the tracker is decides whom it may lead us to, and who serves its name could say one thing to
   * us and another to the one who connects. */
  async #ask(path: string, body: object, signal: AbortSignal): Promise<string> {
    const url = new URL(this.url + path);
    const hosts = await this.#addressesOf(url, signal);
    let failure: unknown;
    for (const host of hosts) {
      using deadline = createDeadline(this.#clock, ANSWER_MS_MAX / hosts.length, signal);
      try {
        const text = await this.#fetch(url, host, body, deadline.signal);
        this.#answeredFrom = host;
        return text;
      } catch (cause) {
        if (signal.aborted || cause instanceof TrackerError) throw cause;
        failure = cause;
      }
    }
    throw failure;
  }

  /** @returns undefined for a name that cannot be resolved here: a proxy may know it */
  async #addressesOf(
    { hostname }: URL,
    signal: AbortSignal,
  ): Promise<readonly (string | undefined)[]> {
    try {
      return await resolveHost(hostname, this.#lookup, signal);
    } catch (cause) {
      if (signal.aborted) throw cause;
      return [undefined];
    }
  }

  async #fetch(
    url: URL,
    host: string | undefined,
    body: object,
    signal: AbortSignal,
  ): Promise<string> {
    const response = await fetch(withHost(url, host), {
      method: "POST",
      headers: {
        host: url.host,
        "content-type": "application/json",
        "accept-encoding": "identity",
        connection: "close",
      },
      // The certificate is that of the name; an address as a name would be none that may be said (RFC 6066, 3).
      ...(canonicalLiteral(url.hostname) === undefined
        ? { tls: { serverName: url.hostname } }
        : {}),
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

/** @returns the same place, by its address */
function withHost(url: URL, host: string | undefined): URL {
  const direct = new URL(url);
  if (host !== undefined) direct.hostname = host.includes(":") ? `[${host}]` : host;
  return direct;
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
