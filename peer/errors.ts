import { CodedError } from "../protocol/errors.ts";

/** The command line is wrong, or asks for what this machine lacks: one line for the user, exit code 2. */
export class UsageError extends CodedError<
  "bad_argument" | "bad_flag" | "bad_config" | "unsupported_algorithm"
> {}

/** What was named is not there: a file, or a hash that the tracker or the library does not know; exit code 4. */
export class NotFoundError extends CodedError<"no_file" | "unknown_swarm"> {}

/** Bytes are not what the torrent says: exit code 7 when it ends the run. */
export class IntegrityError extends CodedError<"part_mismatch" | "file_mismatch"> {}

/** A connection could not be made, or must not be made, or went away: someone else is asked. */
export class TransportError extends CodedError<
  "refused" | "reset" | "timed_out" | "unreachable" | "forbidden"
> {}

/** The tracker is unreachable or talks nonsense: fatal only when no peer is known, exit code 6. */
export class TrackerError extends CodedError<
  "unreachable" | "rejected" | "bad_answer" | "unknown_swarm"
> {
  /** Seconds the tracker asked us to wait, when it did. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: TrackerError["code"],
    message: string,
    options?: ErrorOptions & { readonly retryAfterSeconds?: number },
  ) {
    super(code, message, options);
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }
}

/** The disk refused: the transfer stops with its progress kept. */
export type StorageErrorCode =
  /** The file system is full, or a quota or a size limit is reached: exit code 9. */
  | "no_space"
  | "denied"
  | "missing"
  /** The target exists and differs: exit code 10. */
  | "exists"
  /** Another process works on it: exit code 11. */
  | "busy"
  /** The file behind a torrent is not the one that was verified any more. */
  | "changed"
  | "short_read"
  | "not_a_file"
  | "io";

export class StorageError extends CodedError<StorageErrorCode> {}

/** The run ends without the whole file, resumable: exit code 5. */
export class IncompleteError extends CodedError<"stalled" | "nobody_left"> {}

/** `--timeout` is over: exit code 13. */
export class TimeoutError extends CodedError<"timed_out"> {}
