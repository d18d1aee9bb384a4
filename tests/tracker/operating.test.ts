import { describe, expect, test } from "bun:test";
import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { hasNginx, startNginx } from "../support/nginx.ts";
import { parsePrometheus } from "../support/prometheus.ts";
import {
  createTestApp,
  makeTempDirectory,
  type RunningTracker,
  removeDirectory,
  runTracker,
  startTracker,
} from "../support/tracker.ts";
import { type Api, announce, post, register } from "./api-cases.ts";

const PAGE = join(import.meta.dir, "../../tracker/OPERATING.md");

/** @returns the code blocks of a language, without their fences */
async function blocksOf(language: string): Promise<readonly string[]> {
  const text = await Bun.file(PAGE).text();
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm"))].map(
    ([, block = ""]) => block,
  );
}

async function nginxOf(change: (text: string) => string = (text) => text): Promise<string> {
  const [block = ""] = await blocksOf("nginx");
  return change(block);
}

function apiOf(tracker: RunningTracker): Api {
  return {
    fetch: (path, init) => fetch(tracker.url + path, init),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** A server that tells what it was sent. */
function startEcho() {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => Response.json(Object.fromEntries(request.headers)),
  });
  return { port: server.port ?? 0, [Symbol.asyncDispose]: () => server.stop(true) };
}

describe("OPERATING.md", () => {
  test.if(hasNginx())("has an nginx configuration behind which a tracker works", async () => {
    await using tracker = await startTracker();
    await using nginx = await startNginx(await nginxOf(), tracker.port);
    const { exitCode, stdout, stderr } = await runTracker({
      args: ["check", nginx.url],
      env: { NODE_EXTRA_CA_CERTS: nginx.certificate },
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toContain(`${nginx.url} works: 7 steps`);
    const tls = { ca: await Bun.file(nginx.certificate).text() };
    const body = "x".repeat(5000);
    const large = await fetch(`${nginx.url}/hash`, { method: "POST", body, tls, keepalive: false });
    expect(large.status).toBe(413);
    const distrustful = await runTracker({ args: ["check", nginx.url] });
    expect(distrustful.exitCode).toBe(6);
  });

  test.if(hasNginx())("has an nginx that says who calls, whatever he says of himself", async () => {
    const forged = { "x-forwarded-for": "8.8.8.8", "x-request-id": "forged" };
    const seen = async (configuration: string): Promise<Record<string, unknown>> => {
      await using echo = startEcho();
      await using nginx = await startNginx(configuration, echo.port);
      const tls = { ca: await Bun.file(nginx.certificate).text() };
      const response = await fetch(`${nginx.url}/`, { headers: forged, tls, keepalive: false });
      return Object(await response.json());
    };
    const told = await seen(await nginxOf());
    expect(told["x-forwarded-for"]).toBe("127.0.0.1");
    expect(told["x-request-id"]).toMatch(/^[0-9a-f]{32}$/);
    // Without these lines it would pass on whatever it is told (control).
    const without = (text: string) => text.replace(/^.*X-(Forwarded-For|Request-Id).*\n/gm, "");
    expect(await seen(await nginxOf(without))).toMatchObject(forged);
  });

  test("names figures that there are", async () => {
    const { metrics } = createTestApp();
    const families = parsePrometheus(
      await metrics.expose({ swarms: 0, complete: 0, incomplete: 0 }),
    );
    const text = await Bun.file(PAGE).text();
    const named = [...text.matchAll(/\b(?:tracker|process)_[a-z_]+/g)].map(([name]) =>
      name.replace(/_bucket$/, ""),
    );
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !families.has(name))).toEqual([]);
  });
});

describe("a backup", () => {
  /** @returns whether a tracker on a copy of the database knows who was there, and takes announces */
  async function restored(copy: (from: string, to: string) => Promise<void>): Promise<boolean> {
    const directory = await makeTempDirectory();
    try {
      const live = join(directory, "tracker.db");
      const backup = join(directory, "backup.db");
      const url = `file:${live}`;
      let hash: string;
      {
        await using tracker = await startTracker({ args: ["--db", url] });
        const api = apiOf(tracker);
        hash = await register(api);
        await announce(api, hash, { listening_port: 4444 });
        await copy(live, backup);
        // It runs on, and takes what comes.
        await announce(api, hash, { listening_port: 5555 });
      }
      for (const end of ["", "-wal", "-shm"]) await rm(live + end, { force: true });
      await copyFile(backup, live);
      await using again = await startTracker({ args: ["--db", url] });
      const api = apiOf(again);
      const body = { hash, listening_host: "10.9.9.9", listening_port: 9 };
      const answer = await post(api, "/peers", body);
      if (answer.status !== 200) return false;
      const { peers } = Object(answer.json);
      const ports = (Array.isArray(peers) ? peers : []).map(({ port }) => port);
      return Bun.deepEquals(ports.toSorted(), [1111, 4444]);
    } finally {
      await removeDirectory(directory);
    }
  }

  /** SQLite in a process of its own, as an operator's would be. */
  async function vacuumInto(from: string, to: string): Promise<void> {
    const code = `import { Database } from "bun:sqlite";
      const database = new Database(process.argv[1]);
      database.run("VACUUM INTO ?", [process.argv[2]]);
      database.close();`;
    const child = Bun.spawn([process.execPath, "-e", code, from, to], { stderr: "pipe" });
    expect([await child.exited, await new Response(child.stderr).text()]).toEqual([0, ""]);
  }

  test("of a running tracker brings its peers back", async () => {
    expect(await restored(vacuumInto)).toBe(true);
  });

  test.if(Bun.which("sqlite3") !== null)("made as OPERATING.md says does so too", async () => {
    const [, block = ""] = (await blocksOf("sh")).filter((text) => /docker|sqlite3/.test(text));
    const asSaid = async (from: string, to: string): Promise<void> => {
      const command = block
        .replace("/var/lib/tracker/tracker.db", from)
        .replace("/var/backups/tracker.db", to);
      const { exitCode, stderr } = Bun.spawnSync(["sh", "-c", command]);
      expect([exitCode, stderr.toString()]).toEqual([0, ""]);
    };
    expect(await restored(asSaid)).toBe(true);
  });

  test("made with cp does not (control)", async () => {
    expect(await restored(copyFile)).toBe(false);
  });
});
