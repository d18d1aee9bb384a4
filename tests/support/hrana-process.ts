import type { Counters } from "./hrana-database.ts";
import { HranaServer, type Outage } from "./hrana-server.ts";
import { linesOf } from "./tracker.ts";

/** The Hrana server as a process of its own: `bun hrana-process.ts PATH TOKEN`. It prints its URL, then takes a setting a
 * line on standard input and answers each with its counters; the end of input ends it. */

interface Settings {
  readonly latencyMs?: number;
  readonly outage?: Outage;
  readonly reset?: boolean;
}

export interface HranaProcess extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  /** Changes settings.
   * @returns what was counted until then */
  set(settings: Settings): Promise<Counters>;
}

export async function startHranaProcess(path: string): Promise<HranaProcess> {
  const token = crypto.randomUUID();
  const child = Bun.spawn([process.execPath, import.meta.path, path, token], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const lines = linesOf(child.stdout);
  const line = async (): Promise<string> => {
    const { value } = await lines.next();
    if (typeof value !== "string") throw new Error("The Hrana server ended");
    return value;
  };
  return {
    url: await line(),
    token,
    pid: child.pid,
    set: async (settings) => {
      child.stdin.write(`${JSON.stringify(settings)}\n`);
      child.stdin.flush();
      return JSON.parse(await line());
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await child.exited;
    },
  };
}

async function run(path: string, token: string): Promise<void> {
  await using server = new HranaServer({ path, token });
  process.stdout.write(`${server.url}\n`);
  for await (const line of linesOf(Bun.stdin.stream())) {
    const { latencyMs, outage, reset }: Settings = JSON.parse(line);
    const counters = JSON.stringify(server.counters);
    if (latencyMs !== undefined) server.latencyMs = latencyMs;
    if (outage !== undefined) await server.setOutage(outage);
    if (reset === true) server.resetCounters();
    process.stdout.write(`${counters}\n`);
  }
}

if (import.meta.main) await run(process.argv[2] ?? "", process.argv[3] ?? "");
