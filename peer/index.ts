#!/usr/bin/env bun
import { processEdge } from "./cli/process-edge.ts";
import { runPeer } from "./cli/run.ts";

// A verb's code is loaded when the verb is called for.
const exitCode = await runPeer(processEdge(), {
  upload: async (...given) => await (await import("./cli/upload.ts")).upload(...given),
  download: async (...given) => await (await import("./cli/download.ts")).download(...given),
  serve: async (...given) => await (await import("./cli/serve.ts")).serve(...given),
  prompt: async (...given) => await (await import("./cli/prompt.ts")).prompt(...given),
});
process.exit(exitCode);
