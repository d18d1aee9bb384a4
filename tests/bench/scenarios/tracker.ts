import { inDirectory, workRoot } from "../files.ts";
import { again, type Crowd, changing, KINDS, type Kind, newcomers } from "../load/crowd.ts";
import { type Answers, compileLoad } from "../load/load.ts";
import type { Connections } from "../load/requests.ts";
import {
  ask,
  CONNECTIONS,
  mustNamePeers,
  prefill,
  type Session,
  withTracker,
} from "../load/session.ts";
import { type BenchOptions, roundsOf } from "../options.ts";
import { ProcessMeter } from "../process-meter.ts";
import { print, printTable, spread } from "../table.ts";
import { bittorrentTracker } from "../trackers/bittorrent-tracker.ts";
import { opentracker } from "../trackers/opentracker.ts";
import { oursCompiled, oursFromSource } from "../trackers/ours.ts";
import type { Tracker } from "../trackers/tracker.ts";
import { growTracker } from "./tracker-growth.ts";

/** Announces a second, ours beside others; then how ours grows. */

const TRACKERS: readonly Tracker[] = [oursCompiled, oursFromSource, opentracker, bittorrentTracker];

const CROWD: Crowd = { firstSwarm: 0, swarms: 1000, firstPeer: 0, peersEach: 100 };
const CROWD_QUICK: Crowd = { ...CROWD, swarms: 20 };
/** As many new peers as no tracker here takes in a second. */
const NEW_PER_SECOND = 60_000;

interface Cell {
  readonly tracker: Tracker;
  readonly mode: Connections;
  readonly kind: Kind;
}

interface Measured extends Answers {
  readonly cpuSecondsPer100k: number;
}

/** What one process used over all it was asked. */
interface Memory {
  readonly peakMib: number;
  readonly residentMib: number;
}

export async function benchTracker(options: BenchOptions): Promise<void> {
  await inDirectory(workRoot(), async (directory) => {
    const program = await compileLoad(directory);
    if (program === undefined) {
      print("Left out: the load generator, load.c, needs a C compiler, `cc`");
      return;
    }
    const trackers = await installed(options.clients);
    await compareAll(trackers, program, options);
    const ours = trackers.find(({ protocol }) => protocol === "ours");
    if (ours !== undefined) await growTracker(ours, program, options);
  });
}

async function installed(wanted: readonly string[]): Promise<readonly Tracker[]> {
  const found: Tracker[] = [];
  for (const tracker of TRACKERS) {
    if (wanted.length > 0 && !wanted.includes(tracker.name)) continue;
    const version = await tracker.version();
    if (version === undefined) print(`- ${tracker.name}: not installed, left out`);
    else {
      print(`- ${tracker.name}: ${version}; ${tracker.promise}`);
      found.push(tracker);
    }
  }
  return found;
}

async function compareAll(
  trackers: readonly Tracker[],
  program: string,
  options: BenchOptions,
): Promise<void> {
  const crowd = options.isQuick ? CROWD_QUICK : CROWD;
  const seconds = options.isQuick ? 0.2 : 5;
  const rounds = roundsOf(options, 3);
  const cells = trackers.flatMap(cellsOf);
  const results = new Map<Cell, Measured[]>(cells.map((cell) => [cell, []]));
  const memories = new Map<Tracker, Memory[]>(trackers.map((tracker) => [tracker, []]));
  for (let round = 0; round < rounds; round++) {
    for (const tracker of trackers) {
      const own = [...results].filter(([cell]) => cell.tracker === tracker);
      const memory = await withTracker(tracker, { program, swarms: crowd.swarms }, (session) =>
        measureAll(session, own, { crowd, seconds }),
      );
      memories.get(tracker)?.push(memory);
    }
  }
  const size = `${crowd.swarms} swarms of ${crowd.peersEach} peers, ${CONNECTIONS} connections`;
  printTable(
    `${size}, ${seconds} s each, medians of ${rounds} (least to most)`,
    ["tracker", "connections", "announces", ...ANSWER_HEAD],
    [...results].map(([{ tracker, mode, kind }, measured]) => [
      tracker.name,
      mode === "keep" ? "kept" : "one a request",
      kind,
      ...toCells(measured),
    ]),
  );
  printTable(
    "Memory of the process over all of it, MiB",
    ["tracker", "an answer means that the announce is", "peak", "at the end"],
    [...memories].map(([{ name, promise }, memory]) => [
      name,
      promise,
      spread(
        memory.map((one) => one.peakMib),
        0,
      ),
      spread(
        memory.map((one) => one.residentMib),
        0,
      ),
    ]),
  );
}

/** New peers come last: they make the swarms larger for what follows. */
function cellsOf(tracker: Tracker): readonly Cell[] {
  const modes: readonly Connections[] = tracker.keepsConnections ? ["keep", "close"] : ["close"];
  return KINDS.flatMap((kind) => modes.map((mode) => ({ tracker, mode, kind })));
}

/** Fills a tracker and measures cell by cell. */
async function measureAll(
  session: Session,
  cells: readonly (readonly [cell: Cell, measured: Measured[]])[],
  setup: { readonly crowd: Crowd; readonly seconds: number },
): Promise<Memory> {
  await prefill(session, setup.crowd);
  await mustNamePeers(session, { swarm: 0, peer: 0, place: 0, isComplete: false });
  const meter = new ProcessMeter(session.running.pid);
  let came = 0;
  for (const [cell, measured] of cells) {
    const one = await measure(session, cell, { ...setup, came, meter });
    // What was under way at the end may have come too.
    if (cell.kind === "new") came += one.answered + CONNECTIONS;
    measured.push(one);
  }
  return meter.usage;
}

async function measure(
  session: Session,
  { mode, kind }: Cell,
  setup: {
    readonly crowd: Crowd;
    readonly seconds: number;
    /** New peers that came before. */
    readonly came: number;
    readonly meter: ProcessMeter;
  },
): Promise<Measured> {
  const { crowd, seconds, came, meter } = setup;
  const fresh = { count: Math.ceil(NEW_PER_SECOND * seconds), skip: came };
  const announcers = {
    again: () => again(crowd),
    changing: () => changing(crowd),
    new: () => newcomers(crowd, fresh),
  }[kind]();
  const order = kind === "new" ? "once" : "cycle";
  meter.reset();
  const answers = await ask(session, announcers, {
    mode,
    connections: CONNECTIONS,
    seconds,
    order,
  });
  meter.sample();
  const cpuSecondsPer100k = (meter.usage.cpuSeconds / answers.answered) * 100_000;
  return { ...answers, cpuSecondsPer100k };
}

const ANSWER_HEAD = [
  "announces/s",
  "p50 ms",
  "p99 ms",
  "errors, not 2xx",
  "CPU s/100,000",
  "generator's cores",
] as const;

function toCells(measured: readonly Measured[]): readonly string[] {
  const cell = (pick: (one: Measured) => number, digits: number) =>
    spread(measured.map(pick), digits);
  const sum = (pick: (one: Measured) => number) =>
    measured.reduce((total, one) => total + pick(one), 0);
  return [
    cell((one) => one.answered / one.seconds, 0),
    cell((one) => one.p50Us / 1000, 2),
    cell((one) => one.p99Us / 1000, 2),
    `${sum((one) => one.errors)}, ${sum((one) => one.non2xx)}`,
    cell((one) => one.cpuSecondsPer100k, 2),
    cell((one) => one.cpuSeconds / one.seconds, 2),
  ];
}
