#!/usr/bin/env bun
import { download } from "./cli/download.ts";
import { processEdge } from "./cli/process-edge.ts";
import { prompt } from "./cli/prompt.ts";
import { runPeer } from "./cli/run.ts";
import { serve } from "./cli/serve.ts";
import { upload } from "./cli/upload.ts";

process.exit(await runPeer(processEdge(), { upload, download, serve, prompt }));
