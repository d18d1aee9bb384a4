import { StorageError, type StorageErrorCode } from "../errors.ts";

const CODE_BY_ERRNO: Readonly<Record<string, StorageErrorCode>> = {
  ENOSPC: "no_space",
  EDQUOT: "no_space",
  EFBIG: "no_space",
  EACCES: "denied",
  EPERM: "denied",
  EROFS: "denied",
  ENOENT: "missing",
  ENOTDIR: "missing",
  EEXIST: "exists",
  ELOOP: "not_a_file",
  EISDIR: "not_a_file",
  ENXIO: "not_a_file",
};

/** @returns what the system named the failure (`ENOSPC`), or undefined */
export function errnoOf(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined;
}

/** @param tried what was being done, `Cannot write /a/b`
 * @returns a failed file operation as the error that the rest of the program knows */
export function toStorageError(cause: unknown, tried: string): StorageError {
  if (cause instanceof StorageError) return cause;
  const errno = errnoOf(cause);
  const code = (errno === undefined ? undefined : CODE_BY_ERRNO[errno]) ?? "io";
  const state = cause instanceof Error ? cause.message : String(cause);
  return new StorageError(code, `${tried}: ${state}`, { cause });
}
