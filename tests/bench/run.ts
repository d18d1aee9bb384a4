import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { workRoot } from "./files.ts";
import { type BenchOptions, KIB } from "./options.ts";
import { plot } from "./plot.ts";
import { appendRun, ResultsError, type RunHead } from "./results.ts";
import { benchCodec } from "./scenarios/codec.ts";
import { benchDistance } from "./scenarios/distance.ts";
import { benchGrowth } from "./scenarios/growth.ts";
import { benchHash } from "./scenarios/hash.ts";
import { benchLimits } from "./scenarios/limits.ts";
import { benchLines } from "./scenarios/lines.ts";
import { benchMemory } from "./scenarios/memory.ts";
import { benchParts } from "./scenarios/parts.ts";
import { benchPipe } from "./scenarios/pipe.ts";
import { benchResume } from "./scenarios/resume.ts";
import { benchShared } from "./scenarios/shared.ts";
import { benchSmall } from "./scenarios/small.ts";
import { benchTracker } from "./scenarios/tracker.ts";
import { benchTransfer } from "./scenarios/transfer.ts";
import { benchUplink } from "./scenarios/uplink.ts";
import { print } from "./table.ts";

/** `bun run bench [SCENARIO…]`: whole processes over loopback, ours beside others, in turn; prints Markdown.
 *
 *   SCENARIO       codec small parts pipe limits distance uplink lines hash resume memory growth tracker
 *                  shared transfer; transfer when none is named
 *   --quick        small sizes, one round; every scenario when none is named; under 3 minutes
 *   --rounds N     --size MIB,…  --leechers N,…  --torrents N,…  --part KIB  --peers N,…
 *   --clients NAME,…
 *   --json FILE    appends the run and every round of transfer to FILE, as data (`results.ts` has its shape)
 *
 * `bun run bench plot FILE SVG` measures nothing: it draws such a FILE, the last run in it and those of the same commit,
 * machine and Bun, 1 GiB or what `--size` says.
 *
 * The others come from Debian 12: `apt-get install --no-install-recommends python3-libtorrent rtorrent aria2 nginx-light
 * curl openssl`. webtorrent comes from npm, into any directory, which BENCH_WEBTORRENT names: `npm i --ignore-scripts
 * webtorrent@3.0.21`, and in its node_modules/webrtc-polyfill every export made undefined, since the native addon behind
 * it is not built. Trackers: `apt-get install opentracker`, and `npm i --ignore-scripts bittorrent-tracker@11.2.3` in a
 * directory that BENCH_BITTORRENT_TRACKER names; they are asked by a program in C, so `cc` is needed. What is missing is left out.
 * PEER_CMD and TRACKER_CMD name executables (`bun run build`) to measure instead of the sources (the tracker's
 * scenario measures both, and takes dist/tracker when none is named).
 * BENCH_DIR says where the files go instead of /dev/shm. Needs Linux; the large ones some 20 GiB of memory. Leave the
 * machine alone meanwhile. `lines` needs a network of its own and root's rights in it: `unshare --net bun run bench lines`. */

type Scenario = (options: BenchOptions) => Promise<void>;

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  codec: benchCodec,
  small: benchSmall,
  parts: benchParts,
  pipe: benchPipe,
  hash: benchHash,
  resume: benchResume,
  limits: benchLimits,
  distance: benchDistance,
  uplink: benchUplink,
  lines: benchLines,
  memory: benchMemory,
  growth: benchGrowth,
  tracker: benchTracker,
  shared: benchShared,
  transfer: benchTransfer,
};

const PLOTTED_MIB = 1024;
/** What was recorded does not make the program a changed one. */
const NO_CODE = ["json", "svg", "md"].map((end) => `:(exclude)tests/bench/*.${end}`);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: "string" },
    leechers: { type: "string" },
    torrents: { type: "string" },
    part: { type: "string" },
    peers: { type: "string" },
    rounds: { type: "string" },
    clients: { type: "string", default: "" },
    quick: { type: "boolean", default: false },
    json: { type: "string" },
  },
});

await main().catch((error: unknown) => {
  if (!(error instanceof ResultsError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});

async function main(): Promise<void> {
  if (positionals[0] === "plot") await draw(positionals.slice(1));
  else await measureAll();
}

async function draw([results, svg, ...more]: readonly string[]): Promise<void> {
  if (results === undefined || svg === undefined || more.length > 0)
    throw new ResultsError("Cannot plot: two files are needed, `bun run bench plot FILE SVG`");
  await plot(results, svg, numbers(values.size)?.[0] ?? PLOTTED_MIB);
}

async function measureAll(): Promise<void> {
  const names =
    positionals.length > 0 ? positionals : values.quick ? Object.keys(SCENARIOS) : ["transfer"];
  const scenarios = names.map((name) => {
    const scenario = SCENARIOS[name];
    if (scenario === undefined)
      throw new Error(`No scenario ${name}: there are ${Object.keys(SCENARIOS).join(", ")}`);
    return { name, scenario };
  });
  if (values.json !== undefined && !names.includes("transfer"))
    throw new ResultsError(`Cannot record ${names.join(", ")}: --json is for transfer`);
  const head = await describeRun();
  const options = await toOptions(head);
  print(`commit ${head.commit}, Bun ${head.bun}, ${head.machine}`);
  for (const { name, scenario } of scenarios) {
    const startedMs = performance.now();
    print(`\n## ${name}\n`);
    // What one scenario cannot do costs the others nothing.
    await scenario(options).catch((error: unknown) => {
      print(`\n${name} failed: ${Bun.inspect(error)}`);
      process.exitCode = 1;
    });
    print(`\n${name} took ${((performance.now() - startedMs) / 1000).toFixed(0)} s`);
  }
}

async function toOptions(head: RunHead): Promise<BenchOptions> {
  return {
    isQuick: values.quick,
    rounds: numbers(values.rounds)?.[0],
    sizesMib: numbers(values.size),
    leechers: numbers(values.leechers),
    torrents: numbers(values.torrents),
    peers: numbers(values.peers),
    partBytes: values.part === undefined ? undefined : Number(values.part) * KIB,
    clients: values.clients.split(",").filter((name) => name !== ""),
    record: values.json === undefined ? async () => {} : await appendRun(values.json, head),
  };
}

/** @throws when one is no number above zero */
function numbers(list: string | undefined): readonly number[] | undefined {
  const found = list?.split(",").map(Number);
  if (found?.some((number) => !(number > 0))) throw new Error(`Not numbers: ${list}`);
  return found;
}

async function describeRun(): Promise<RunHead> {
  const commit = (await Bun.$`git rev-parse --short HEAD`.nothrow().quiet().text()).trim();
  const status = await Bun.$`git status --porcelain -- . ${NO_CODE}`.nothrow().quiet().text();
  const changed = status.trim() !== "";
  const cpu = cpus();
  return {
    commit: `${commit || "unknown"}${changed ? " with changes" : ""}`,
    date: new Date().toISOString(),
    machine: `${cpu.length} x ${cpu[0]?.model.trim()}, files in ${workRoot()}`,
    bun: Bun.version,
  };
}
