import { LibsqlError } from "@libsql/client";
import { StoreError } from "../errors.ts";

/** @param cause what a database call threw */
export function toStoreError(cause: unknown): StoreError {
  return isBusy(cause)
    ? new StoreError("busy", "Cannot commit: the database is locked by another process", { cause })
    : new StoreError("failed", "Cannot commit: the database refused the transaction", { cause });
}

export function isBusy(error: unknown): boolean {
  return error instanceof LibsqlError && /^SQLITE_(BUSY|LOCKED)/.test(error.code);
}
