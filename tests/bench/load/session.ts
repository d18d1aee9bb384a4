import { rm } from "node:fs/promises";
import { join } from "node:path";
import { inDirectory, workRoot } from "../files.ts";
import type { RunningTracker, Tracker } from "../trackers/tracker.ts";
import type { Announcer, Crowd } from "./crowd.ts";
import { founders, joiners } from "./crowd.ts";
import { type Answers, load } from "./load.ts";
import { type Connections, formatRequest, writeRequests } from "./requests.ts";

/** A tracker that runs and is asked. */
export interface Session {
  readonly tracker: Tracker;
  readonly running: RunningTracker;
  /** The load generator's program. */
  readonly program: string;
  /** Where the tracker keeps what it keeps, and requests lie meanwhile. */
  readonly directory: string;
}

export interface Ask {
  readonly mode: Connections;
  readonly connections: number;
  readonly seconds: number;
  readonly order: "once" | "cycle";
}

/** As many as ask at once. */
export const CONNECTIONS = 64;
const PREFILL_SECONDS_MAX = 900;

/** Does something with a tracker in an empty directory, and ends both.
 * @param swarms how many there will be */
export async function withTracker<Result>(
  tracker: Tracker,
  { program, swarms }: { readonly program: string; readonly swarms: number },
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  return await inDirectory(workRoot(), async (directory) => {
    const running = await tracker.start(directory, swarms);
    try {
      return await work({ tracker, running, program, directory });
    } finally {
      await running.stop();
    }
  });
}

/** Sends announces as fast as they are answered. */
export async function ask(
  { tracker, running, program, directory }: Session,
  announcers: Iterable<Announcer>,
  { mode, connections, seconds, order }: Ask,
): Promise<Answers> {
  const requests = join(directory, "requests");
  const { protocol } = tracker;
  await writeRequests(requests, format(announcers, { protocol, connections: mode }));
  const { port } = running;
  const answers = await load(program, { port, connections, mode, seconds, order, requests });
  await rm(requests);
  return answers;
}

function* format(
  announcers: Iterable<Announcer>,
  options: Parameters<typeof formatRequest>[1],
): Generator<string> {
  for (const announcer of announcers) yield formatRequest(announcer, options);
}

/** Announces a whole crowd once, first those that make the swarms known.
 * @param from how many of each swarm are there already
 * @returns announces a second of those who came to known swarms
 * @throws {Error} when one was not taken */
export async function prefill(session: Session, crowd: Crowd, from = 0): Promise<number> {
  const mode = session.tracker.keepsConnections ? "keep" : "close";
  const once = { mode, seconds: PREFILL_SECONDS_MAX, order: "once" } as const;
  // One at a time where the next one may be of the same swarm: it must be known by then.
  if (from === 0) {
    const connections = crowd.swarms > CONNECTIONS ? CONNECTIONS : 1;
    mustBeTaken(await ask(session, founders(crowd), { ...once, connections }));
  }
  const joined = joiners(crowd, Math.max(from, 1));
  const answers = await ask(session, joined, { ...once, connections: CONNECTIONS });
  mustBeTaken(answers);
  return answers.answered / answers.seconds;
}

function mustBeTaken(answers: Answers): void {
  const { errors, non2xx } = answers;
  if (errors + non2xx > 0)
    throw new Error(`Cannot prefill: ${errors} errors, ${non2xx} refused of ${answers.answered}`);
}

/** Asks once and looks into the answer: a tracker that refuses in words with status 200 would look fast.
 * @throws {Error} when it names no peer */
export async function mustNamePeers({ tracker, running }: Session, announcer: Announcer) {
  const { protocol } = tracker;
  const answer = await exchange(
    running.port,
    formatRequest(announcer, { protocol, connections: "close" }),
  );
  const named = protocol === "ours" ? /"peers":\[\{/ : /5:peers[1-9]\d*:/;
  if (!named.test(answer)) throw new Error(`${tracker.name} named nobody: ${answer}`);
}

async function exchange(port: number, request: string): Promise<string> {
  const ended = Promise.withResolvers<void>();
  let answer = "";
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data: (_, chunk) => {
        answer += chunk.toString("latin1");
      },
      close: () => ended.resolve(),
      error: (_, error) => ended.reject(error),
    },
  });
  socket.write(request);
  await ended.promise;
  return answer;
}
