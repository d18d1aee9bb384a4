import type { PartOrder } from "../../peer/swarm/engine-options.ts";
import { RULES, type Rules } from "../../peer/swarm/rules.ts";
import type { SimPeer } from "./peer.ts";
import { SimSwarm } from "./swarm.ts";
import type { PeerTraits } from "./traits.ts";

/** Swarms with a time that no system could beat, and how near to it ours come: with everything, and with a mechanism
 * switched off, which shows what it is worth. */

/** What is changed for a control: rules, or the order of asking. */
export interface Change {
  readonly rules?: Partial<Rules>;
  readonly order?: PartOrder;
}

export interface Outcome {
  /** No system could be done before. */
  readonly boundMs: number;
  /** The last was done then. */
  readonly reachedMs: number;
  /** What the first source sent, in files. */
  readonly sourceCopies: number;
}

export interface Control {
  readonly without: string;
  readonly change: Change;
  /** The time without it is so many times that with it, at least. */
  readonly worseMin: number;
}

export interface Story {
  readonly name: string;
  /** `reachedMs / boundMs` at most. */
  readonly limit: number;
  play(seed: number, change?: Change): Outcome;
  readonly controls: readonly Control[];
}

/** A swarm of equal peers, by its figures in MiB and MiB a second. */
interface Crowd {
  readonly peers: number;
  readonly fileMib: number;
  readonly partKib: number;
  readonly source: number;
  readonly up: number;
  readonly down: number;
  /** What the source's kernel takes of each connection before it is out, in MiB; nearly nothing when it is not said. */
  readonly buffered?: number;
}

const MIB = 2 ** 20;

/** Every byte has to leave the source once, to come in everywhere, and somebody has to send it each time. */
function boundMsOf({ peers, fileMib, source, up, down }: Crowd): number {
  const seconds = [fileMib / source, fileMib / down, (peers * fileMib) / (source + peers * up)];
  return 1000 * Math.max(...seconds);
}

function traitsOf(change: Change): Partial<PeerTraits> {
  const { rules, order } = change;
  return { rules: rules === undefined ? undefined : { ...RULES, ...rules }, order };
}

/** A swarm with a source, and nobody else yet. */
function begin(crowd: Crowd, seed: number, change: Change) {
  const sim = new SimSwarm({
    seed,
    fileBytes: crowd.fileMib * MIB,
    partBytes: crowd.partKib * 1024,
    traits: {
      ...traitsOf(change),
      upBytesPerSecond: crowd.up * MIB,
      downBytesPerSecond: crowd.down * MIB,
    },
  });
  const bufferBytes = (crowd.buffered ?? 0) * MIB;
  return { sim, source: sim.addSeeder({ upBytesPerSecond: crowd.source * MIB, bufferBytes }) };
}

function finish(
  sim: SimSwarm,
  source: SimPeer,
  boundMs: number,
  wanting: () => SimPeer[],
): Outcome {
  sim.runUntilComplete(wanting, 60 * boundMs);
  const last = Math.max(...wanting().map(({ completeAtMs }) => completeAtMs ?? 0));
  const sourceCopies = source.engine.stats().bytesServed / sim.geometry.fileBytes;
  return { boundMs, reachedMs: last, sourceCopies };
}

/** All come at the same time and find one source. */
export function crowdStory(crowd: Crowd, limit: number, controls: readonly Control[]): Story {
  const { peers, fileMib, source, up, buffered } = crowd;
  const where = buffered === undefined ? "" : `, whose kernel keeps ${buffered} MiB for each`;
  return {
    name: `${peers} peers at once, ${fileMib} MiB, source ${source}${where}, others ${up} MiB/s`,
    limit,
    controls,
    play: (seed, change = {}) => {
      const { sim, source: first } = begin(crowd, seed, change);
      const all = Array.from({ length: peers }, () => sim.add());
      return finish(sim, first, boundMsOf(crowd), () => all);
    },
  };
}

const RAREST_FIRST: Control = {
  without: "rarest first",
  change: { order: "sequential" },
  worseMin: 1.5,
};
const SERVING_RAREST_FIRST: Control = {
  without: "serving first what was sent least",
  change: { rules: { servesRarestFirst: false } },
  worseMin: 1.03,
};
const SLOTS: Control = {
  without: "upload slots",
  change: { rules: { slotsMin: 64, slotsMax: 64 } },
  worseMin: 1.1,
};
const HELP: Control = {
  without: "takeover and endgame",
  change: { rules: { takeOverFactor: Number.POSITIVE_INFINITY, duplicatesMax: 0 } },
  worseMin: 1.2,
};
const CALLERS: Control = {
  without: "asking those who called",
  change: { rules: { asksCallers: false } },
  worseMin: 1.1,
};
const EXCHANGE: Control = {
  without: "peer exchange",
  change: { rules: { exchangeMs: Number.POSITIVE_INFINITY } },
  worseMin: 2,
};

const SEND_WINDOW: Control = {
  without: "send window",
  change: {
    rules: { sendWindowMs: Number.POSITIVE_INFINITY, duplexWindowMs: Number.POSITIVE_INFINITY },
  },
  worseMin: 1.2,
};

const FULL_LINE: Control = {
  without: "keeping on a full line what has begun to come",
  change: { rules: { fullShare: Number.POSITIVE_INFINITY } },
  worseMin: 1.2,
};

/** As many as there ever are at first, whatever the line and however many come. */
const FEW_AT_FIRST: Control = {
  without: "one at first",
  change: { rules: { slotsMin: RULES.slotsFirst } },
  worseMin: 1.15,
};

const EQUALS: Crowd = { peers: 100, fileMib: 100, partKib: 256, source: 10, up: 10, down: 100 };

/** Ten come, and ninety more when those have half of it. */
const flashCrowd: Story = {
  name: "10 peers, and 90 more after 5 s",
  limit: 1.25,
  // Most of a crowd that comes at once waits for what nobody has yet, so that slots do less here than elsewhere.
  controls: [{ ...SLOTS, worseMin: 1.05 }],
  play: (seed, change = {}) => {
    const early = 10;
    const { sim, source } = begin(EQUALS, seed, change);
    const all = Array.from({ length: early }, () => sim.add());
    sim.after(5000, () => {
      while (all.length < EQUALS.peers) all.push(sim.add());
    });
    sim.runFor(5001);
    const done = all.reduce((sum, peer) => sum + peer.engine.stats().bytesDone, 0) / MIB;
    const { fileMib, up, source: sourceUp, peers } = EQUALS;
    const leftMs = (1000 * (peers * fileMib - done)) / (sourceUp + peers * up);
    return finish(sim, source, 5000 + leftMs, () => all);
  },
};

const slowSource = crowdStory({ ...EQUALS, fileMib: 50, source: 1 }, 1.15, [SLOTS]);

/** A home's line: what the source's kernel takes is sent, as far as the source knows, and is seconds of it. */
const slowLine = crowdStory(
  { peers: 16, fileMib: 24, partKib: 256, source: 1, up: 10, down: 100, buffered: 4 },
  1.2,
  [SEND_WINDOW],
);

/** The same with few, who have little time to find out. */
const slowLineToFew = crowdStory(
  { peers: 6, fileMib: 12, partKib: 256, source: 0.5, up: 10, down: 100, buffered: 4 },
  1.25,
  [FEW_AT_FIRST],
);

/** So few that they could all be served at once, and then nobody would have anything for anybody. */
const four = crowdStory({ ...EQUALS, peers: 4, fileMib: 50, buffered: 4 }, 1.2, []);

/** Each behind a line that a part takes five seconds of. */
const narrowLines = crowdStory(
  { peers: 10, fileMib: 8, partKib: 1024, source: 10, up: 0.2, down: 0.2 },
  1.8,
  [FULL_LINE],
);

/** Each behind a line that brings it ten times as much as it takes away. */
const lopsidedLines = crowdStory(
  { peers: 10, fileMib: 32, partKib: 1024, source: 10, up: 0.1, down: 1 },
  1.7,
  [HELP],
);

/** Lines are cut, processes die and come back, some for good. */
const churn: Story = {
  name: "60 peers; 60 lines cut, 30 restarts, 10 gone for good",
  limit: 1.5,
  controls: [{ ...HELP, worseMin: 1.15 }],
  play: (seed, change = {}) => {
    const crowd = { ...EQUALS, peers: 60, fileMib: 50 };
    const { sim, source } = begin(crowd, seed, change);
    for (let number = 0; number < crowd.peers; number++) sim.add();
    const anyone = (): SimPeer | undefined => {
      const online = sim.peers.filter((peer) => peer.isOnline && peer !== source);
      return online[Math.floor(sim.random() * online.length)];
    };
    const sometimes = (times: number, happen: (peer: SimPeer) => void) => {
      for (let time = 0; time < times; time++) {
        sim.after(500 + sim.random() * 4000, () => {
          const peer = anyone();
          if (peer !== undefined) happen(peer);
        });
      }
    };
    sometimes(60, (peer) => peer.cutOne());
    sometimes(30, (peer) => sim.restart(peer, 200 + sim.random() * 1500));
    sometimes(10, (peer) => peer.vanish());
    sim.runFor(6100);
    return finish(sim, source, boundMsOf(crowd), () =>
      sim.peers.filter((peer) => peer.isOnline && peer !== source),
    );
  },
};

const behindNat: Story = {
  // Nobody knows a time that half of them, who cannot call each other either, could not beat: the bound is that of all.
  name: "100 peers, half of them cannot be called",
  limit: 1.5,
  controls: [CALLERS],
  play: (seed, change = {}) => {
    const { sim, source } = begin(EQUALS, seed, change);
    const all = Array.from({ length: EQUALS.peers }, (_, at) =>
      sim.add({ isDialable: at % 2 === 0 }),
    );
    return finish(sim, source, boundMsOf(EQUALS), () => all);
  },
};

/** The one source is hopeless, and after ten seconds comes one that is not. */
const fastJoinsSlow: Story = {
  name: "one source at 64 KiB/s, after 10 s one at 10 MiB/s",
  limit: 1.35,
  controls: [HELP],
  play: (seed, change = {}) => {
    const crowd = { peers: 1, fileMib: 16, partKib: 1024, source: 1 / 16, up: 10, down: 100 };
    const { sim, source } = begin(crowd, seed, change);
    const leecher = sim.add();
    sim.after(10_000, () => sim.addSeeder());
    return finish(sim, source, 10_000 + (1000 * crowd.fileMib) / crowd.up, () => [leecher]);
  },
};

/** Nine sources that do their part, and one that is fifty times slower. */
const slowAmongFast: Story = {
  name: "nine sources at 5 MiB/s, one at 100 KiB/s",
  limit: 1.25,
  controls: [HELP],
  play: (seed, change = {}) => {
    const crowd = { peers: 1, fileMib: 100, partKib: 1024, source: 0.1, up: 5, down: 100 };
    const { sim, source } = begin(crowd, seed, change);
    for (let number = 0; number < 9; number++) sim.addSeeder({ upBytesPerSecond: 5 * MIB });
    const leecher = sim.add();
    return finish(sim, source, (1000 * crowd.fileMib) / 45.1, () => [leecher]);
  },
};

/** Each is told of the source, then the tracker is gone. */
const withoutTracker: Story = {
  name: "40 peers that know the source only, the tracker down",
  limit: 1.6,
  controls: [EXCHANGE],
  play: (seed, change = {}) => {
    const crowd = { ...EQUALS, peers: 40 };
    const { sim, source } = begin(crowd, seed, change);
    sim.tracker.isDown = true;
    const all = Array.from({ length: crowd.peers }, () => sim.add());
    for (const peer of all) peer.learn([source.address]);
    return finish(sim, source, boundMsOf(crowd), () => all);
  },
};

/** Two on narrow lines come first, then two on fast ones; those two are looked at. */
const narrowFirst: Story = {
  name: "2 at 50 KiB/s, then 2 more at 100 MiB/s, 100 MiB, source 10 MiB/s",
  limit: 1.7,
  controls: [],
  play: (seed, change = {}) => {
    const crowd = { ...EQUALS, fileMib: 100, partKib: 1024, buffered: 4 };
    const { sim, source } = begin(crowd, seed, change);
    const narrow = { downBytesPerSecond: 0.05 * MIB, upBytesPerSecond: 0.05 * MIB };
    for (let number = 0; number < 2; number++) sim.add(narrow);
    const beforeMs = 2000;
    sim.runFor(beforeMs);
    const fast = [sim.add(), sim.add()];
    return finish(sim, source, beforeMs + (1000 * crowd.fileMib) / crowd.source, () => fast);
  },
};

/** Played in every run of the tests. */
export const STORIES: readonly Story[] = [
  crowdStory(EQUALS, 1.25, [RAREST_FIRST, SERVING_RAREST_FIRST, SLOTS]),
  flashCrowd,
  slowSource,
  slowLine,
  slowLineToFew,
  four,
  narrowLines,
  lopsidedLines,
  churn,
  behindNat,
  fastJoinsSlow,
  slowAmongFast,
  narrowFirst,
  withoutTracker,
];

/** Once in every run of the tests, for how it grows with peers. */
export const HUNDREDS = crowdStory({ ...EQUALS, peers: 300, partKib: 512 }, 1.4, []);
/** For the table only: a thousand take a core ten minutes. */
export const THOUSAND = crowdStory({ ...EQUALS, peers: 1000 }, 1.5, [SERVING_RAREST_FIRST, SLOTS]);
