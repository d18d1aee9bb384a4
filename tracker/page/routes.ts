import { Elysia } from "elysia";
import type { Activity } from "../activity.ts";
import { ClientError } from "../errors.ts";
import style from "./browser.css" with { type: "text" };
import script from "./browser.js" with { type: "text" };
import { drawChart } from "./chart.ts";
import type { Figures } from "./figures.ts";
import icon from "./icon.svg" with { type: "text" };
import type { Live } from "./live.ts";
import { renderPage } from "./render.ts";

export interface PageDeps {
  readonly figures: () => Promise<Figures>;
  readonly activity: Activity;
  /** Undefined on hosts where nothing can run between two requests: the page asks for the figures itself then. */
  readonly live: Live | undefined;
}

/** Nothing from elsewhere, nothing inline, no frame around it, nowhere to send a form. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const COMMON_HEADERS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
};
/** The page and its parts must fit each other after an upgrade, and are small. */
const FILE_HEADERS = { ...COMMON_HEADERS, "cache-control": "no-cache" };
const EVENT_HEADERS = {
  ...COMMON_HEADERS,
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // A proxy in front that collects answers would keep them all.
  "x-accel-buffering": "no",
};
const LISTEN_AGAIN_SECONDS = "60";

/** The page for people, and what it is made of. */
export function pageRoutes({ figures, activity, live }: PageDeps) {
  const page = async (): Promise<Response> => {
    const chart = live === undefined ? undefined : drawChart(activity.series());
    return file("text/html;charset=utf-8", renderPage(await figures(), chart));
  };
  return new Elysia()
    .get("/", page)
    .get("/page.css", () => file("text/css;charset=utf-8", style))
    .get("/page.js", () => file("text/javascript;charset=utf-8", script))
    .get("/icon.svg", () => file("image/svg+xml", icon))
    .get("/events", ({ request }) => {
      if (live === undefined) throw new ClientError("not_found");
      return listen(live, request);
    });
}

/** What the page shows, as its listeners are told of it. */
export async function readNews({ figures, activity }: Omit<PageDeps, "live">): Promise<unknown> {
  return { ...(await figures()), chart: drawChart(activity.series()) };
}

async function listen(live: Live, request: Request): Promise<Response> {
  // Other people's pages could have their visitors take all places.
  if (request.headers.get("sec-fetch-site") === "cross-site") throw new ClientError("cross_site");
  const stream = await live.listen(request.signal);
  if (stream !== undefined) return new Response(stream, { headers: EVENT_HEADERS });
  return Response.json(
    { error: "Too many listen already", code: "busy" },
    { status: 503, headers: { ...COMMON_HEADERS, "retry-after": LISTEN_AGAIN_SECONDS } },
  );
}

function file(type: string, text: string): Response {
  const policy = { "content-security-policy": CONTENT_SECURITY_POLICY };
  return new Response(text, { headers: { ...FILE_HEADERS, ...policy, "content-type": type } });
}
