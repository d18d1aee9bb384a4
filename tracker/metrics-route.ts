import { Elysia } from "elysia";
import type { AnnounceService } from "./announce/service.ts";
import type { Metrics } from "./metrics.ts";

/** The figures for Prometheus, where there are any: a place without a process of its own leaves them out, and the library too. */
export function metricsRoute(
  service: AnnounceService,
  metrics: Pick<Metrics, "expose" | "contentType"> | undefined,
): Elysia {
  const routes = new Elysia();
  if (metrics === undefined) return routes;
  routes.get("/metrics", async ({ set }) => {
    const text = await metrics.expose(await service.totals());
    set.headers["content-type"] = metrics.contentType;
    return text;
  });
  return routes;
}
