import { CodedError } from "../protocol/errors.ts";

/** Why a request was refused; goes out as the answer's `code`. */
export type ClientErrorCode =
  | "bad_json"
  | "bad_request"
  | "bad_host"
  | "bad_port"
  | "bad_forwarded"
  | "too_many_requests"
  | "too_many_swarms"
  | "incomplete"
  | "too_large"
  | "unsupported_media_type"
  | "not_found"
  | "cross_site"
  | "unknown_swarm";

const CLIENT_ERRORS: Readonly<Record<ClientErrorCode, { status: number; message: string }>> = {
  bad_json: { status: 400, message: "The body is not JSON" },
  bad_request: { status: 400, message: "The body does not have the fields of this call" },
  bad_host: {
    status: 400,
    message: "listening_host is no address that this tracker gives to others",
  },
  bad_port: { status: 400, message: "listening_port is no port that this tracker gives to others" },
  bad_forwarded: { status: 400, message: "The proxy does not say who calls" },
  too_many_requests: { status: 429, message: "Too many requests from this network" },
  too_many_swarms: { status: 429, message: "Too many new hashes from this network" },
  incomplete: { status: 408, message: "The request did not come whole in time" },
  too_large: { status: 413, message: "The body is larger than 4096 bytes" },
  unsupported_media_type: { status: 415, message: "The body must be application/json" },
  not_found: { status: 404, message: "There is no such call" },
  cross_site: { status: 403, message: "This call is not for pages of other sites" },
  unknown_swarm: { status: 404, message: "This tracker does not know the hash" },
};

/** The client's mistake: the only error whose message an HTTP client sees, which is why callers cannot choose it. */
export class ClientError extends CodedError<ClientErrorCode> {
  /** The HTTP status, 4xx. */
  readonly status: number;
  /** When the same request may be taken, if that is known. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ClientErrorCode,
    options: ErrorOptions & { readonly retryAfterSeconds?: number } = {},
  ) {
    super(code, CLIENT_ERRORS[code].message, options);
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.status = CLIENT_ERRORS[code].status;
  }
}

/** Why the store did not take an announce; nothing of it was kept. */
export type StoreErrorCode = "busy" | "overloaded" | "full" | "unavailable" | "failed" | "closed";

/** The store could not commit; the caller may try again. */
export class StoreError extends CodedError<StoreErrorCode> {}

/** Names of the exit codes that the tracker gives. */
export const EXIT_CODES = { error: 1, usage: 2, tracker: 6, io: 8, busy: 11, timeout: 13 } as const;
export type ExitName = keyof typeof EXIT_CODES;

/** The tracker cannot start or go on, or another is not well; ends the process with one line and the code of its name. */
export class FatalError extends CodedError<ExitName> {
  /** What the user can do about it. */
  readonly hint: string;

  constructor(code: ExitName, message: string, options: ErrorOptions & { readonly hint: string }) {
    super(code, message, options);
    this.hint = options.hint;
  }
}

/** @returns the refusal of a command line or of the variables that stand for it */
export function usage(state: string): FatalError {
  const hint = "see what there is with: tracker help";
  return new FatalError("usage", `Cannot read the command line: ${state}`, { hint });
}

/** Control, zero-width and bidirectional characters: what could rewrite a terminal's line. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const MESSAGE_CHARS_MAX = 200;

/** @returns the one line that tells a user why the process ends, without its line end */
export function formatErrorLine(error: FatalError): string {
  const text = error.message.replaceAll(UNPRINTABLE, "").slice(0, MESSAGE_CHARS_MAX);
  return `ERROR code=${EXIT_CODES[error.code]} name=${error.code}: ${text}; hint: ${error.hint}`;
}
