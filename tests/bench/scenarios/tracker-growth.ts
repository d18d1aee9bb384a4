import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Announcer, again, type Crowd, changing, sizeOf } from "../load/crowd.ts";
import type { Answers } from "../load/load.ts";
import { ask, CONNECTIONS, prefill, type Session, withTracker } from "../load/session.ts";
import { type BenchOptions, MIB } from "../options.ts";
import { ProcessMeter } from "../process-meter.ts";
import { printTable } from "../table.ts";
import type { Tracker } from "../trackers/tracker.ts";

/** How our tracker grows: ever more peers, and one large swarm beside small ones. */

const PEERS_EACH = 100;

export async function growTracker(
  tracker: Tracker,
  program: string,
  options: BenchOptions,
): Promise<void> {
  const sizes = options.peers ?? (options.isQuick ? [1000] : [10_000, 100_000, 1_000_000]);
  const seconds = options.isQuick ? 0.2 : 5;
  const rows: (readonly string[])[] = [];
  for (const peers of sizes) {
    const swarms = Math.ceil(peers / PEERS_EACH);
    const crowd = { firstSwarm: 0, swarms, firstPeer: 0, peersEach: PEERS_EACH };
    await withTracker(tracker, { program, swarms }, async (session) => {
      rows.push(await growTo(session, crowd, seconds));
    });
  }
  printTable(
    `${tracker.name}: more peers, in swarms of ${PEERS_EACH}, ${CONNECTIONS} kept connections, ${seconds} s each`,
    [
      "peers",
      "new/s while it is filled",
      "again/s, p99 ms",
      "changing/s, p99 ms",
      "MiB peak, then",
      "database MiB",
      "second start s",
      "MiB peak, then",
    ],
    rows,
  );
  await compareSwarms(tracker, program, options);
}

async function growTo(session: Session, crowd: Crowd, seconds: number): Promise<readonly string[]> {
  const rate = await prefill(session, crowd);
  const cycle = { mode: "keep", connections: CONNECTIONS, seconds, order: "cycle" } as const;
  const same = await ask(session, again(crowd), cycle);
  const changed = await ask(session, changing(crowd), cycle);
  const memory = memoryOf(session.running.pid);
  await session.running.stop();
  const databaseMib = (await sizeOfFiles(session.directory)) / MIB;
  const startedMs = performance.now();
  const second = await session.tracker.start(session.directory, crowd.swarms);
  const startSeconds = (performance.now() - startedMs) / 1000;
  const memoryAgain = memoryOf(second.pid);
  await second.stop();
  return [
    String(sizeOf(crowd)),
    rate.toFixed(0),
    rateOf(same),
    rateOf(changed),
    memory,
    databaseMib.toFixed(1),
    startSeconds.toFixed(2),
    memoryAgain,
  ];
}

/** Errors would make a rate worthless, so they stand beside it when there are any. */
function rateOf({ answered, seconds, p99Us, errors, non2xx }: Answers): string {
  const wrong = errors + non2xx > 0 ? ` (${errors} errors, ${non2xx} not 2xx)` : "";
  return `${(answered / seconds).toFixed(0)}, ${(p99Us / 1000).toFixed(1)}${wrong}`;
}

function memoryOf(pid: number): string {
  const meter = new ProcessMeter(pid);
  meter.sample();
  return `${meter.usage.peakMib.toFixed(0)}, ${meter.usage.residentMib.toFixed(0)}`;
}

async function sizeOfFiles(directory: string): Promise<number> {
  const names = (await readdir(directory)).filter((name) => name.startsWith("tracker.db"));
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(directory, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** One swarm as large as all others together: first one caller at a time, which shows what an answer takes, then many. */
async function compareSwarms(
  tracker: Tracker,
  program: string,
  options: BenchOptions,
): Promise<void> {
  const peers = options.isQuick ? 1000 : 100_000;
  const seconds = options.isQuick ? 0.2 : 5;
  const swarms = peers / PEERS_EACH;
  const small = { firstSwarm: 0, swarms, firstPeer: 0, peersEach: PEERS_EACH };
  const large = { firstSwarm: swarms, swarms: 1, firstPeer: peers, peersEach: peers };
  const asked: readonly (readonly [string, () => Iterable<Announcer>])[] = [
    [`${swarms} of ${PEERS_EACH} peers, again`, () => again(small)],
    [`one of ${peers} peers, again`, () => again(large)],
    [`${swarms} of ${PEERS_EACH} peers, changing`, () => changing(small)],
    [`one of ${peers} peers, changing`, () => changing(large)],
  ];
  const rows: (readonly string[])[] = [];
  await withTracker(tracker, { program, swarms: swarms + 1 }, async (session) => {
    await prefill(session, small);
    await prefill(session, large);
    for (const [name, announcers] of asked) {
      const cells: string[] = [];
      for (const connections of [1, CONNECTIONS]) {
        const setup = { mode: "keep", connections, seconds, order: "cycle" } as const;
        const answers = await ask(session, announcers(), setup);
        cells.push((answers.p50Us / 1000).toFixed(2), rateOf(answers));
      }
      rows.push([name, ...cells]);
    }
  });
  printTable(
    `${tracker.name}: a large swarm beside small ones, ${seconds} s each`,
    ["swarms", ...[1, CONNECTIONS].flatMap((n) => [`${n} at once: p50 ms`, "announces/s, p99 ms"])],
    rows,
  );
}
