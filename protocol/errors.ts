/** What every error thrown on purpose has in common: a code to switch on, beside the message for people. */
export abstract class CodedError<Code extends string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A bug of ours: an assumption of the code itself did not hold. Never caught, never caused by input. */
export class InvariantError extends CodedError<"invariant"> {
  constructor(message: string) {
    super("invariant", message);
  }
}

/** Why a remote peer's bytes were refused; the connection ends with it. */
export type ProtocolErrorCode =
  | "bad_preface"
  | "bad_version"
  | "bad_mode"
  | "frame_too_large"
  | "bad_header"
  | "bad_message"
  | "bad_order"
  | "bad_proof"
  | "self_connection"
  | "not_requested"
  | "too_many_requests"
  | "timed_out";

/** The remote broke the wire's rules (SPEC.md); costs it the connection. */
export class ProtocolError extends CodedError<ProtocolErrorCode> {}

/** Why a torrent file was refused, one code for each rule it can break. */
export type TorrentErrorCode =
  | "too_large"
  | "bad_encoding"
  | "bad_json"
  | "too_deep"
  | "duplicate_key"
  | "not_an_object"
  | "missing_field"
  | "bad_size"
  | "bad_part_size"
  | "bad_parts"
  | "too_many_parts"
  | "part_count_mismatch"
  | "bad_digest"
  | "mixed_digests"
  | "bad_algorithm"
  | "unsupported_algorithm"
  | "bad_hash"
  | "bad_name"
  | "bad_trackers"
  | "bad_created";

/** The torrent is not one we can work with; nothing was created or changed. */
export class TorrentError extends CodedError<TorrentErrorCode> {}

/** States what cannot be otherwise.
 * @throws {InvariantError} when it is otherwise: a bug of ours, never a remote's or a user's doing */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
