import { StoreError } from "../errors.ts";
import { FileLogDatabase } from "./file-log-database.ts";
import type { FileLogAnswer, FileLogOrder } from "./file-log-message.ts";

/** The thread that waits for the disk, so that those who only ask need not. One order after the other, in their order. */

declare const self: Worker;

let database: FileLogDatabase | undefined;
let last: Promise<void> = Promise.resolve();

self.onmessage = ({ data: order }: MessageEvent<FileLogOrder>) => {
  last = last.then(async () => {
    const answered = await answer(order);
    self.postMessage(answered, answered.type === "rows" ? [answered.rows.buffer] : []);
  });
};

async function answer(order: FileLogOrder): Promise<FileLogAnswer> {
  try {
    return await obey(order);
  } catch (cause) {
    const code = cause instanceof StoreError ? cause.code : "failed";
    const message = cause instanceof Error ? cause.message : String(cause);
    return { type: "failure", code, message };
  }
}

async function obey(order: FileLogOrder): Promise<FileLogAnswer> {
  if (order.type === "open") {
    database = new FileLogDatabase(order.url);
    return { type: "done" };
  }
  if (database === undefined) throw new StoreError("closed", "Cannot use the log: it is not open");
  switch (order.type) {
    case "span":
      return { type: "span", rows: await database.span() };
    case "append":
      return { type: "appended", first: await database.append(order.rows, order.count) };
    case "erase":
      await database.erase(order.seqs);
      return { type: "done" };
    case "read":
      return { type: "rows", rows: new TextEncoder().encode(await database.read()) };
    case "close":
      database.close();
      return { type: "done" };
    default:
      return order satisfies never;
  }
}
