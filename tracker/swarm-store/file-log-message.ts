import type { StoreErrorCode } from "../errors.ts";

/** What the thread of a file's log is asked; it answers each in turn. */
export type FileLogOrder =
  | { readonly type: "open"; readonly url: string }
  | { readonly type: "append"; readonly rows: string; readonly count: number }
  | { readonly type: "erase"; readonly seqs: string }
  | { readonly type: "read" }
  | { readonly type: "close" };

export type FileLogAnswer =
  | { readonly type: "done" }
  | { readonly type: "appended"; readonly first: number }
  | { readonly type: "rows"; readonly rows: string }
  | { readonly type: "failure"; readonly code: StoreErrorCode; readonly message: string };
