import { env } from "cloudflare:workers";
import { CloudflareAdapter } from "elysia/adapter/cloudflare-worker";
import { edgeAddress } from "./client-address.ts";
import { parseEdgeConfig } from "./edge-config.ts";
import { createEdgeTracker } from "./edge-tracker.ts";

/** The tracker as a Worker on an edge host: callers are known by the host's header, and a cron trigger sweeps. */

const tracker = createEdgeTracker({
  config: parseEdgeConfig(env),
  clientAddress: edgeAddress,
  adapter: CloudflareAdapter,
  lanes: undefined,
});

export default {
  fetch: (request: Request): Response | Promise<Response> => tracker.fetch(request),
  scheduled: (): Promise<void> => tracker.sweep(),
};
