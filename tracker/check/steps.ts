import {
  ErrorResponse,
  HashResponse,
  type PeersRequest,
  PeersResponse,
  StatsResponse,
} from "../../protocol/announce.ts";
import type { Clock, Random } from "../clock.ts";
import type { TrackerHttp } from "./tracker-http.ts";

/** One thing that a tracker has to do right. */
export interface Step {
  readonly name: string;
  /** @throws {FatalError} tracker, timeout */
  run(): Promise<void>;
}

export interface Steps {
  readonly all: readonly Step[];
  /** Takes away what the steps so far have left at the tracker. */
  cleanUp(): Promise<void>;
}

/** Where nobody listens: the tracker fills in the address, and nobody but us knows the swarm. */
const HOST = "0.0.0.0";
const FIRST_PORT = 65_534;
const SECOND_PORT = 65_535;
/** Several trackers on one database know of each other's peers after so long; one that answers alone knows at once. */
const AGREE_MS_MAX = 3000;
const AGREE_PAUSE_MS = 100;

/** Plays two peers that meet: what one says the other must hear, and no longer once it is gone. */
export function createSteps(clock: Clock, random: Random, http: TrackerHttp): Steps {
  const peers = [createPeer(random, FIRST_PORT), createPeer(random, SECOND_PORT)] as const;
  const [first, second] = peers;
  let hash: string | undefined;
  const present = new Set<typeof first>();
  const announce = async (
    peer: typeof first,
    fields: Partial<PeersRequest>,
  ): Promise<PeersResponse> => {
    const reply = await http.post("/peers", { ...peer, hash: hash ?? "", ...fields });
    return http.read(reply, PeersResponse);
  };
  const leave = async (peer: typeof first): Promise<void> => {
    await announce(peer, { event: "stopped", left: 1 });
    present.delete(peer);
  };
  const sees = async (peer: typeof first): Promise<boolean> => {
    const { peers } = await announce(second, { left: 1 });
    return peers.some(({ host, port }) => port === peer.listening_port && host !== HOST);
  };
  const agree = (isSo: () => Promise<boolean>): Promise<boolean> => agreeWithin(clock, isSo);
  const all: readonly Step[] = [
    {
      name: "ready",
      run: async () => {
        const { status, text } = await http.get("/ready");
        if (status !== 200) throw http.wrong(`/ready answered ${status}`);
        if (text !== "I am ready") throw http.wrong("/ready did not answer that it is ready");
      },
    },
    {
      name: "stats",
      run: async () => void http.read(await http.get("/stats"), StatsResponse),
    },
    {
      name: "register",
      run: async () => {
        ({ hash } = http.read(await http.post("/hash", first), HashResponse));
        present.add(first);
      },
    },
    {
      name: "announce",
      run: async () => {
        const body = { ...second, hash, event: "started", left: 1 };
        const isKnown = async (): Promise<boolean> =>
          (await http.post("/peers", body)).status !== 404;
        if (!(await agree(isKnown))) throw http.wrong("it forgot the swarm that it had made");
        present.add(second);
        await announce(second, { left: 1 });
      },
    },
    {
      name: "read back",
      run: async () => {
        if (await agree(() => sees(first))) return;
        throw http.wrong("it does not tell a peer of the other that announced itself");
      },
    },
    {
      name: "remove",
      run: async () => {
        await leave(first);
        if (!(await agree(async () => !(await sees(first))))) {
          throw http.wrong("it tells of a peer that has left");
        }
        await leave(second);
      },
    },
    {
      name: "unknown hash",
      run: async () => {
        const reply = await http.post("/peers", { ...first, hash: random.swarmHash() });
        http.read(reply, ErrorResponse, 404);
      },
    },
  ];
  return {
    all,
    cleanUp: async () => {
      for (const peer of present) await leave(peer);
    },
  };
}

function createPeer(random: Random, port: number) {
  const peer = random.swarmHash().replaceAll("-", "");
  return { listening_host: HOST, listening_port: port, peer };
}

async function agreeWithin(clock: Clock, isSo: () => Promise<boolean>): Promise<boolean> {
  const deadline = clock.now() + AGREE_MS_MAX;
  const { signal } = new AbortController();
  while (!(await isSo())) {
    if (clock.now() >= deadline) return false;
    await clock.sleep(AGREE_PAUSE_MS, { signal });
  }
  return true;
}
