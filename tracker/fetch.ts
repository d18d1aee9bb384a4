import { getLogger } from "@logtape/logtape";
import type { AddressSource } from "./client-address.ts";
import { systemClock } from "./clock.ts";
import { parseEdgeConfig } from "./edge-config.ts";
import { createEdgeTracker } from "./edge-tracker.ts";
import { createForwardedAddress } from "./forwarded-address.ts";
import { SHARED_OPTIONS } from "./swarm-store/shared.ts";

/** The tracker for any host that takes a module with a `fetch`: Deno, and Node behind a server for such modules. There a request may
 * wait for what another one does; nothing is known to run between requests, so that one of them has to start the sweep. */

/** What such hosts tell of a caller, each in its own way. */
interface Caller {
  readonly remoteAddr?: { readonly hostname?: string };
}

const SWEEP_PAUSE_MS = 60_000;

const log = getLogger("tracker");
const config = parseEdgeConfig(process.env);
const addresses = new WeakMap<Request, string>();
const seen: AddressSource = {
  requestIP: (request) => {
    const address = addresses.get(request);
    return address === undefined ? null : { address };
  },
};
const findAddress = createForwardedAddress(log, config.trustedProxies);
const tracker = createEdgeTracker({
  config,
  clientAddress: (request) => findAddress(request, seen),
  lanes: SHARED_OPTIONS.lanes,
});
let sweptAt = Number.NEGATIVE_INFINITY;

export default {
  fetch: (request: Request, caller?: Caller): Response | Promise<Response> => {
    const address = caller?.remoteAddr?.hostname ?? addressIn(request);
    if (address !== undefined) addresses.set(request, address);
    sweepAtTimes();
    return tracker.fetch(request);
  },
};

/** As servers for such modules on Node tell it. */
function addressIn(request: Request & { readonly ip?: unknown }): string | undefined {
  return typeof request.ip === "string" ? request.ip : undefined;
}

function sweepAtTimes(): void {
  const now = systemClock.monotonic();
  if (now - sweptAt < SWEEP_PAUSE_MS) return;
  sweptAt = now;
  tracker.sweep().catch((error: unknown) => {
    log.warn("Cannot clear away what expired: {error}", { error });
  });
}
