import { doHashJob, type HashAnswer, type HashJob } from "./hash-job.ts";

/** A hashing thread: parts of a file in, digests out. It runs nothing else and knows no torrent. */

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<HashJob>) => {
  self.postMessage(answer(data));
};

function answer(job: HashJob): HashAnswer {
  try {
    return { type: "digests", digests: doHashJob(job) };
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
    return { type: "failure", code, message: String(cause) };
  }
}
