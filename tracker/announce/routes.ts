import { Elysia } from "elysia";
import { HashRequest, PeersRequest } from "../../protocol/announce.ts";
import type { ClientAddress } from "../client-address.ts";
import type { Meter } from "../watch.ts";
import { createBodyReader } from "./read-body.ts";
import type { AnnounceService } from "./service.ts";

const JSON_TYPE = "application/json;charset=utf-8";

/** The calls by which peers meet: HTTP in, service, HTTP out. */
export function announceRoutes(
  service: AnnounceService,
  clientAddress: ClientAddress,
  meter?: Pick<Meter, "announced">,
) {
  const readHash = createBodyReader(HashRequest);
  const readPeers = createBodyReader(PeersRequest);
  return new Elysia()
    .post(
      "/hash",
      async ({ request, server }) => {
        const source = clientAddress(request, server);
        return service.register(await readHash(request), source);
      },
      { parse: "none" },
    )
    .post(
      "/peers",
      async ({ request, server, set }) => {
        const source = clientAddress(request, server);
        const body = await readPeers(request);
        // A Response of our own would be taken apart and made anew, to join its headers with all others'.
        set.headers["content-type"] = JSON_TYPE;
        const text = await service.announce(body, source);
        meter?.announced(body.event);
        return text;
      },
      { parse: "none" },
    );
}
