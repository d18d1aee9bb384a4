import type { StoreErrorCode } from "../errors.ts";

/** What the thread of a file's log is asked; it answers each in turn. */
export type FileLogOrder =
  | { readonly type: "open"; readonly url: string }
  | { readonly type: "span" }
  | { readonly type: "append"; readonly rows: string; readonly count: number }
  | { readonly type: "erase"; readonly seqs: string }
  | { readonly type: "read" }
  | { readonly type: "close" };

export type FileLogAnswer =
  | { readonly type: "done" }
  | { readonly type: "span"; readonly rows: number }
  | { readonly type: "appended"; readonly first: number }
  /** As a LogReader reads them. */
  | { readonly type: "rows"; readonly rows: Uint8Array<ArrayBuffer> }
  | { readonly type: "failure"; readonly code: StoreErrorCode; readonly message: string };
