import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { bundleFetch } from "../../build.ts";
import { FETCH_HOSTS, startFetchHost } from "../support/fetch-host.ts";
import { HranaServer } from "../support/hrana-server.ts";
import { eventually, makeTempDirectory, removeDirectory } from "../support/tracker.ts";
import { type Api, announce, describeApi, post, postText, register } from "./api-cases.ts";

/** The tracker as a module with a `fetch`, in what is here of the programs that take one. */

const TOKEN = "a token";

let directory: string;
let module: string;
let files = 0;

beforeAll(async () => {
  directory = await makeTempDirectory();
  module = join(directory, "fetch.js");
  await Bun.write(module, await bundleFetch());
}, 30_000);
afterAll(() => removeDirectory(directory));

interface HostApi extends Api {
  readonly server: HranaServer;
}

/** A tracker before a database of its own; its caller is seen at 127.0.0.1. */
async function open(
  toCommand: (module: string) => readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<HostApi> {
  const server = new HranaServer({ path: join(directory, `${files++}.db`), token: TOKEN });
  const host = await startFetchHost(toCommand(module), {
    TRACKER_DB_URL: server.url,
    TRACKER_DB_TOKEN: TOKEN,
    TRACKER_ADDRESS_POLICY: "compat",
    TRACKER_RATE_LIMIT: "0",
    ...env,
  });
  return {
    server,
    // On kept connections Bun's client waited forever in some runs, after Node had refused a body unread; so never.
    fetch: (path, init) => fetch(host.url + path, { ...init, keepalive: false }),
    [Symbol.asyncDispose]: async () => {
      await host[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

for (const { name, command } of FETCH_HOSTS) {
  if (command === undefined) {
    process.stderr.write(`NOT TESTED: the tracker in ${name}, which is not here\n`);
    continue;
  }
  describeApi(`tracker in ${name}, over HTTP to its database`, () => open(command));

  describe(`The tracker in ${name}`, () => {
    test("stores callers where they are seen", async () => {
      await using api = await open(command);
      const hash = await register(api);
      await announce(api, hash, { listening_host: "", listening_port: 7 });
      expect((await announce(api, hash)).peers).toContainEqual({ host: "127.0.0.1", port: 7 });
    }, 20_000);

    test("TRK-3: believes a proxy that it is told of, and nobody else, and limits who calls", async () => {
      for (const [trusted, stored] of [
        ["127.0.0.1", "9.9.9.9"],
        ["", "127.0.0.1"],
      ] as const) {
        await using api = await open(command, { TRACKER_TRUST_PROXY: trusted });
        const hash = await register(api);
        const body = JSON.stringify({ hash, listening_host: "", listening_port: 7000 });
        await postText(api, "/peers", body, { "x-forwarded-for": "9.9.9.9" });
        expect((await announce(api, hash)).peers).toContainEqual({ host: stored, port: 7000 });
      }
      const limits = { TRACKER_TRUST_PROXY: "127.0.0.1", TRACKER_RATE_LIMIT: "1" };
      await using api = await open(command, limits);
      const statuses = new Set<number>();
      for (let asked = 0; asked < 20; asked++) {
        const { status } = await postText(api, "/peers", "{}", { "x-forwarded-for": "9.9.9.9" });
        statuses.add(status);
      }
      expect(statuses).toEqual(new Set([400, 429]));
    }, 30_000);

    test("clears away what expired, when it is asked for something", async () => {
      await using api = await open(command, { TRACKER_INTERVAL: "1", TRACKER_TTL: "2" });
      await post(api, "/hash", { listening_host: "10.0.0.1", listening_port: 1 });
      await using later = await open(command, { TRACKER_DB_URL: api.server.url });
      const client = createClient({ url: api.server.url, authToken: TOKEN });
      await client.execute("UPDATE peers SET expires = 5");
      await later.fetch("/ready");
      await eventually(
        async () => (await client.execute("SELECT count(*) FROM peers")).rows[0]?.[0],
        (count) => count === 0,
      );
      client.close();
    }, 20_000);

    test("does not start without a database", async () => {
      const starting = open(command, { TRACKER_DB_URL: "file:tracker.db" });
      const message = await starting.then(
        async (api) => {
          const answer = await api.fetch("/ready").catch((error: unknown) => error);
          await api[Symbol.asyncDispose]();
          return answer instanceof Response ? `${answer.status}` : "no answer";
        },
        (error: unknown) => String(error),
      );
      expect(message).not.toBe("200");
    }, 20_000);
  });
}
