import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { systemClock } from "../../../peer/clock.ts";
import { dial } from "../../../peer/net/dial.ts";
import type { SocketStreams } from "../../../peer/net/socket.ts";
import { type Lookup, systemLookup } from "../../../peer/resolve.ts";
import type { AddressOrigin } from "../../../peer/swarm/messages.ts";
import { TrackerClient } from "../../../peer/tracker-client.ts";
import { Dialler, withoutForbidden, withoutForbiddenIn } from "../../../peer/transfer/dialler.ts";
import { classOf } from "../../../protocol/address-policy.ts";
import { FORBIDDEN_LITERALS, LITERALS, NO_LITERALS } from "../../support/addresses.ts";
import { type Canary, settle, startCanary } from "../../support/canary.ts";
import { eventually, failureOf } from "../../support/eventually.ts";
import { FakeClock, turn } from "../../support/fake-clock.ts";
import { makeTorrent } from "../../support/fixtures.ts";
import { leech, startNode } from "../../support/nodes.ts";
import { connectPair } from "../../support/sockets.ts";

// Time enough for a machine that has other things to do.
setDefaultTimeout(60_000);

const never = new AbortController().signal;
/** Somebody out there; nothing is ever sent to it. */
const FAR = "9.9.9.9";
const USER: AddressOrigin = { isUsers: true, teller: undefined };
const byFar: AddressOrigin = { isUsers: false, teller: FAR };
const byNear: AddressOrigin = { isUsers: false, teller: "127.0.0.1" };

/** Every spelling of this machine that the tables know. */
const SPELLINGS_OF_LOOPBACK = [
  ...LITERALS.filter(([, literalClass]) => literalClass === "loopback").map(([host]) => host),
  ...["0x7f000001", "0x7f.0.0.1", "2130706433", "017700000001", "0177.0.0.1", "127.1", "localhost"],
];

/** A network on which every name has the address that stands in it, and that dials for real. */
function networkOf(lookup: Lookup) {
  const dialled: string[] = [];
  const network = {
    lookup,
    dial: (...[address, signal]: Parameters<typeof dial>) => {
      dialled.push(address.host);
      return dial(address, signal);
    },
  };
  return { dialler: new Dialler(systemClock, network), dialled };
}

/** @returns how the attempt ended: a code, or "connected" */
async function outcomeOf(connecting: Promise<SocketStreams>): Promise<unknown> {
  try {
    (await connecting).terminate();
    return "connected";
  } catch (cause) {
    return cause instanceof Error && "code" in cause ? cause.code : cause;
  }
}

describe("Dialler", () => {
  test("CLI-1: connect goes to none of the forbidden addresses that somebody out there names", async () => {
    await using canary = await startCanary();
    const { dialler, dialled } = networkOf(async (name) => [name.replace(/^named-/, "")]);
    for (const origin of [byFar, { isUsers: false, teller: undefined }]) {
      for (const host of FORBIDDEN_LITERALS) {
        for (const name of [host, `named-${host}`]) {
          const address = { host: name, port: canary.port };
          expect([name, await outcomeOf(dialler.connect(address, origin, never))]).toEqual([
            name,
            "forbidden",
          ]);
        }
      }
    }
    await settle(canary);
    expect([canary.calls(), dialled]).toEqual([1, []]);
  });

  test("CLI-1: connect goes to this machine by no spelling that the system reads", async () => {
    await using canary = await startCanary();
    const { dialler, dialled } = networkOf(systemLookup);
    const odd = NO_LITERALS.filter((host) => !/[g-wyz]/.test(host));
    for (const host of [...SPELLINGS_OF_LOOPBACK, ...odd])
      await outcomeOf(dialler.connect({ host, port: canary.port }, byFar, never));
    await settle(canary);
    expect([canary.calls(), dialled]).toEqual([1, []]);
  });

  test("CLI-1's control: all of these lead to this machine when nothing is judged", async () => {
    await using canary = await startCanary();
    const { dialler } = networkOf(systemLookup);
    for (const host of SPELLINGS_OF_LOOPBACK) {
      const address = { host, port: canary.port };
      expect([host, await outcomeOf(dialler.connect(address, USER, never))]).toEqual([
        host,
        "connected",
      ]);
    }
    await settle(canary);
    expect(canary.calls()).toBe(SPELLINGS_OF_LOOPBACK.length + 1);
  });

  test("CLI-1: connect refuses a name of which any address is forbidden", async () => {
    await using canary = await startCanary();
    for (const answer of [
      ["8.8.8.8", "127.0.0.1"],
      ["127.0.0.1", "8.8.8.8"],
      ["8.8.8.8", "1.1.1.1", "2606:4700::1", "169.254.169.254"],
      ["8.8.8.8", "fe80::1%lo"],
    ]) {
      const { dialler, dialled } = networkOf(async () => answer);
      const address = { host: "mixed.example", port: canary.port };
      expect(await outcomeOf(dialler.connect(address, byFar, never))).toBe("forbidden");
      expect(dialled).toEqual([]);
    }
    await settle(canary);
    expect(canary.calls()).toBe(1);
  });

  test("CLI-1: connect lets a neighbour lead to his own network, and only this machine to itself", async () => {
    await using canary = await startCanary();
    const { dialler } = networkOf(systemLookup);
    const address = { host: "127.0.0.1", port: canary.port };
    expect(await outcomeOf(dialler.connect(address, byNear, never))).toBe("connected");
    for (const teller of ["192.168.7.7", "fd00::1", "100.64.0.9", "169.254.1.1", FAR]) {
      const connecting = dialler.connect(address, { isUsers: false, teller }, never);
      expect(await outcomeOf(connecting)).toBe("forbidden");
    }
    const lan = { host: "192.168.1.1", port: 300 };
    const told = [lan, { host: "8.8.8.8", port: 300 }, { host: "a.example", port: 300 }, address];
    expect(withoutForbidden(told, "10.0.0.1")).toEqual(told.slice(0, 3));
    expect(withoutForbidden(told, "127.0.0.1")).toEqual(told);
    expect(withoutForbidden(told, FAR)).toEqual(told.slice(2, 3));
    const peers = withoutForbiddenIn({ type: "peers", peers: told }, FAR);
    expect(peers).toEqual({ type: "peers", peers: told.slice(2, 3) });
  });

  test("CLI-3: connect goes to no port below 1024 that somebody out there names", async () => {
    const { dialler, dialled } = networkOf(systemLookup);
    for (const port of [1, 22, 25, 53, 1023]) {
      const connecting = dialler.connect({ host: "8.8.8.8", port }, byFar, never);
      expect(await outcomeOf(connecting)).toBe("forbidden");
    }
    expect(dialled).toEqual([]);
  });

  test("CLI-2: connect asks for a name once, and goes to the address that was judged", async () => {
    await using first = await startCanary(["127.0.0.1"]);
    await using second = await listenBeside(first);
    const answers = ["127.0.0.1", "127.0.0.2"];
    let asked = 0;
    const { dialler } = networkOf(async () => [answers[asked++] ?? "127.0.0.2"]);
    const address = { host: "turns.example", port: first.port };
    expect(await outcomeOf(dialler.connect(address, byNear, never))).toBe("connected");
    await settle(first);
    expect([asked, first.calls(), second.calls()]).toEqual([1, 2, 0]);
    // Negative control: who asks again is led elsewhere.
    expect(await outcomeOf(dialler.connect(address, byNear, never))).toBe("connected");
    await settle(first);
    expect([asked, second.calls()]).toEqual([2, 1]);
  });

  test("CLI-2: connect of a name that turns from out there to this machine is refused then", async () => {
    const answers = ["8.8.8.8", "127.0.0.1"];
    const dialled: string[] = [];
    const dialler = new Dialler(systemClock, {
      lookup: async () => [answers.shift() ?? "127.0.0.1"],
      dial: (address) => {
        dialled.push(address.host);
        return Promise.reject(new Error("Nobody is called in this test"));
      },
    });
    const address = { host: "turns.example", port: 6881 };
    await outcomeOf(dialler.connect(address, byFar, never));
    expect(dialled).toEqual(["8.8.8.8"]);
    expect(await outcomeOf(dialler.connect(address, byFar, never))).toBe("forbidden");
    expect(dialled).toEqual(["8.8.8.8"]);
  });

  test("CLI-2: connect looks again at where the connection leads, and ends it when that is elsewhere", async () => {
    await using pair = await connectPair();
    const network = { lookup: systemLookup, dial: async () => pair.near };
    const dialler = new Dialler(systemClock, network);
    const address = { host: "8.8.8.8", port: 6881 };
    expect(await failureOf(dialler.connect(address, byFar, never))).toMatchObject({
      code: "forbidden",
    });
    await pair.far.closed;
  });

  test("connect gives a stranger four seconds to answer, and one that the user named eight", async () => {
    for (const [origin, ms] of [
      [byFar, 4000],
      [USER, 8000],
    ] as const) {
      const clock = new FakeClock();
      let signal: AbortSignal | undefined;
      const silent: typeof dial = (_address, given) => {
        signal = given;
        return new Promise(() => undefined);
      };
      const dialler = new Dialler(clock, { lookup: systemLookup, dial: silent });
      void dialler.connect({ host: "8.8.8.8", port: 6881 }, origin, never);
      await turn();
      await clock.advance(ms - 1);
      expect([ms, signal?.aborted]).toEqual([ms, false]);
      await clock.advance(1);
      expect([ms, signal?.aborted]).toEqual([ms, true]);
    }
  });

  test("CLI-1: connect gives a name server five seconds", async () => {
    const clock = new FakeClock();
    const dialler = new Dialler(clock, { lookup: () => new Promise(() => undefined), dial });
    const connecting = outcomeOf(dialler.connect({ host: "a.example", port: 1 }, byFar, never));
    let isOver = false;
    void connecting.then(() => {
      isOver = true;
    });
    await clock.advance(4999);
    expect(isOver).toBe(false);
    await clock.advance(1);
    await turn();
    expect(await connecting).toBe("unreachable");
  });
});

/** A second canary at the first one's port, on another address of loopback. */
async function listenBeside(first: Canary): Promise<Canary> {
  return await startCanary(["127.0.0.2"], first.port);
}

/** A tracker as if it stood out there. */
class FarTracker extends TrackerClient {
  override get answeredFrom(): string {
    return FAR;
  }
}

describe("Node", () => {
  test("CLI-1: Node calls nobody on this machine that a tracker out there names, by address or name", async () => {
    await using canary = await startCanary();
    const names = new Map<string, readonly string[]>();
    const peers = SPELLINGS_OF_LOOPBACK.flatMap((host, at) => {
      names.set(`n${at}.example`, [host]);
      return [host, `n${at}.example`].map((name) => ({ host: name, port: canary.port }));
    });
    let asked = 0;
    using tracker = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => {
        asked++;
        return Response.json({ peers, interval: 2 });
      },
    });
    const url = `http://127.0.0.1:${tracker.port}`;
    const lookup: Lookup = async (name) => names.get(name) ?? (await systemLookup(name));
    const far = new FarTracker(systemClock, url);
    await using node = startNode({}, { lookup });
    const { swarm } = leech(node, makeTorrent(), { trackers: [far] });
    await eventually(
      () => asked,
      (count) => count >= 2,
    );
    await eventually(
      () => swarm.waitingFor(1).unreachable.length,
      (count) => count >= 8,
      40_000,
    );
    await settle(canary);
    expect(canary.calls()).toBe(1);
    for (const { address, reason } of swarm.waitingFor(1).unreachable) {
      expect(classOf(address.host)).toBeUndefined();
      expect(reason).toContain("Cannot");
    }
    // Negative control: what the same tracker says when it is known to stand on this machine.
    await using near = startNode({}, { lookup });
    leech(near, makeTorrent(), { trackers: [url] });
    await eventually(canary.calls, (count) => count >= 8, 40_000);
  });
});
