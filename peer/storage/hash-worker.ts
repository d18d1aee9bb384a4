import { doHashJob, type HashAnswer, type HashJob, type HashOrder } from "./hash-job.ts";

/** A hashing thread: parts of a file in, digests out. It runs nothing else and knows no torrent. */

declare const self: Worker;

let memory = new SharedArrayBuffer(0);

self.onmessage = ({ data: order }: MessageEvent<HashOrder>) => {
  if (order.type === "share") memory = order.memory;
  else self.postMessage(answer(order.job));
};

function answer(job: HashJob): HashAnswer {
  try {
    return { type: "digests", digests: doHashJob(job, memory) };
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
    return { type: "failure", code, message: String(cause) };
  }
}
