import { join } from "node:path";
import { Log, LogLevel, Miniflare } from "miniflare";

/** The tracker as a Worker in workerd, the runtime of the edge host. */

const ROOT = join(import.meta.dir, "../..");

/** Whether the runtime's binary, which comes in a package of its platform, is here and runs. */
export async function canRunWorkerd(): Promise<boolean> {
  // A script that starts the binary, or, after an installation that runs scripts, the binary itself.
  const path = join(ROOT, "node_modules/workerd/bin/workerd");
  return (await endsWell(path)) || (await endsWell(process.execPath, path));
}

async function endsWell(...command: readonly string[]): Promise<boolean> {
  try {
    const child = Bun.spawn([...command, "--version"], { stdout: "ignore", stderr: "ignore" });
    return (await child.exited) === 0;
  } catch {
    return false;
  }
}

/** Fires the Worker's trigger, and waits for what it does. */
export async function fireTrigger(miniflare: Miniflare): Promise<void> {
  // What is fetched from has this method too; its type stands in a package of types that nothing else needs.
  const worker = (await miniflare.getWorker()) as unknown as {
    scheduled(options: { readonly cron: string }): Promise<unknown>;
  };
  await worker.scheduled({ cron: "* * * * *" });
}

export interface EdgeBindings {
  readonly TRACKER_DB_URL?: string;
  readonly TRACKER_DB_TOKEN?: string;
  readonly TRACKER_INTERVAL?: string;
  readonly TRACKER_TTL?: string;
  readonly TRACKER_ADDRESS_POLICY?: string;
  readonly TRACKER_RATE_LIMIT?: string;
}

/** What `wrangler.toml` says the runtime has to be like. */
export async function readCompatibility(): Promise<{ date: string; flags: string[] }> {
  const { default: file } = await import("../../wrangler.toml");
  return { date: file.compatibility_date, flags: file.compatibility_flags };
}

/** Starts workerd with the Worker; nothing of it reaches beyond this machine. */
export async function startEdge(script: string, bindings: EdgeBindings): Promise<Miniflare> {
  const { date, flags } = await readCompatibility();
  const miniflare = new Miniflare({
    modules: [{ type: "ESModule", path: "edge.js", contents: script }],
    compatibilityDate: date,
    compatibilityFlags: flags,
    bindings: { ...bindings },
    cf: false,
    log: new Log(LogLevel.WARN),
  });
  await miniflare.ready;
  return miniflare;
}
