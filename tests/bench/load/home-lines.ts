import type { Net, Place } from "../client.ts";

/** A network of its own: a hub with a bridge, a source on it without a limit, and homes behind lines. It takes a namespace
 * that holds nothing else (`unshare --net`), with the rights to add to it. */

/** A home's line: what comes in and what goes out, each with a queue of QUEUE_MS. */
export interface HomeLine {
  readonly downMbit: number;
  readonly upMbit: number;
}

/** Of the addresses 10.77.0.0/16 the first. */
const HUB_HOST = "10.77.0.1";
const QUEUE_MS = 300;

export class HomeLines implements Net, AsyncDisposable {
  readonly hubHost = HUB_HOST;
  readonly #homes: number;

  private constructor(homes: number) {
    this.#homes = homes;
  }

  /** @returns why it cannot be done here, or undefined when it can */
  static async missing(): Promise<string | undefined> {
    for (const tool of ["ip", "tc"]) if (Bun.which(tool) === null) return `${tool} is not here`;
    const links = await Bun.$`ip -o link`.nothrow().quiet().text();
    const isAlone = links.trim().split("\n").length === 1;
    return isAlone
      ? undefined
      : "it needs a network of its own: `unshare --net bun run bench lines`";
  }

  static async lay(homes: number, line: HomeLine): Promise<HomeLines> {
    const lines = new HomeLines(homes);
    try {
      await Bun.$`ip link set lo up && ip link add br0 type bridge && ip link set br0 up`.quiet();
      await Bun.$`ip addr add ${HUB_HOST}/16 dev br0`.quiet();
      for (let node = 0; node <= homes; node++) await lines.#add(node, node > 0 ? line : undefined);
      return lines;
    } catch (cause) {
      await lines[Symbol.asyncDispose]();
      throw cause;
    }
  }

  place(node: number): Place {
    return { host: hostOf(node), enter: ["ip", "netns", "exec", nameOf(node)] };
  }

  /** @returns bytes that went into the homes' lines since they were laid, packets' heads included */
  async receivedBytes(): Promise<number> {
    let bytes = 0;
    for (let node = 1; node <= this.#homes; node++) {
      const [link] = await Bun.$`ip -s -j link show dev b${node}`.quiet().json();
      bytes += link.stats64.tx.bytes;
    }
    return bytes;
  }

  async #add(node: number, line: HomeLine | undefined): Promise<void> {
    const [name, outer] = [nameOf(node), `b${node}`];
    await Bun.$`ip netns add ${name}`.quiet();
    await Bun.$`ip link add ${outer} type veth peer name e0 netns ${name}`.quiet();
    await Bun.$`ip link set ${outer} master br0 && ip link set ${outer} up`.quiet();
    await Bun.$`ip -n ${name} link set lo up && ip -n ${name} link set e0 up`.quiet();
    await Bun.$`ip -n ${name} addr add ${hostOf(node)}/16 dev e0`.quiet();
    if (line === undefined) return;
    const queue = ["burst", "16kb", "latency", `${QUEUE_MS}ms`];
    await Bun.$`tc qdisc add dev ${outer} root tbf rate ${line.downMbit}mbit ${queue}`.quiet();
    await Bun.$`tc -n ${name} qdisc add dev e0 root tbf rate ${line.upMbit}mbit ${queue}`.quiet();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let node = 0; node <= this.#homes; node++)
      await Bun.$`ip netns del ${nameOf(node)}`.nothrow().quiet();
    await Bun.$`ip link del br0`.nothrow().quiet();
  }
}

function nameOf(node: number): string {
  return `peer-bench-${process.pid}-${node}`;
}

function hostOf(node: number): string {
  return `10.77.1.${node + 1}`;
}
