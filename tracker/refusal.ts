import type { ErrorResponse } from "../protocol/announce.ts";
import { ClientError, StoreError } from "./errors.ts";

/** How a request is refused. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorResponse;
}

const BUSY_SECONDS = 2;

/** Makes an answer of whatever went wrong: fixed words only, nothing of the request and nothing of an exception.
 * @param code Elysia's name for the kind of error
 * @param error whatever was thrown */
export function toRefusal(code: string | number, error: unknown): Refusal {
  const client = toClientError(code, error);
  if (client !== undefined) {
    const { status } = client;
    return { status, headers: retryAfter(client.retryAfterSeconds), body: toBody(client) };
  }
  if (error instanceof StoreError) return refuseForStore(error);
  return { status: 500, headers: {}, body: { error: "Internal error", code: "internal" } };
}

/** Nothing of what was asked was kept, whatever the trouble; it is worth another try. */
function refuseForStore({ code }: StoreError): Refusal {
  const headers = retryAfter(BUSY_SECONDS);
  if (code === "full") {
    return { status: 429, headers, body: { error: "The tracker is full", code } };
  }
  return { status: 503, headers, body: { error: "The tracker is busy", code: "busy" } };
}

function retryAfter(seconds: number | undefined): Readonly<Record<string, string>> {
  return seconds === undefined ? {} : { "retry-after": String(Math.ceil(seconds)) };
}

function toClientError(code: string | number, error: unknown): ClientError | undefined {
  if (error instanceof ClientError) return error;
  // Whoever hangs up, or is hung up on, while his body comes: no trouble of ours, and none for the log.
  if (error instanceof Error && error.name === "AbortError") return new ClientError("incomplete");
  return code === "NOT_FOUND" ? new ClientError("not_found") : undefined;
}

/** The original program's clients read `peers` whatever the status is. */
function toBody({ code, message }: ClientError): ErrorResponse {
  const body = { error: message, code };
  return code === "unknown_swarm" ? { ...body, peers: [] } : body;
}
