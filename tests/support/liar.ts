import { createServer, type Socket } from "node:net";
import type { FrameItem } from "../../protocol/frame.ts";
import { encodeDataHead, encodeMessage } from "../../protocol/frame.ts";
import type { PartRun } from "../../protocol/geometry.ts";
import { PAYLOAD_BYTES_MAX, PREFACE_BYTES } from "../../protocol/limits.ts";
import { checkPreface, encodePreface, Handshake, swarmKey } from "../../protocol/session.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { testCrypto } from "./crypto.ts";
import { seededBytes } from "./temp.ts";

/** A peer that holds the torrent, greets as one should, says that it has every part, and then behaves badly. It speaks over
 * a real socket and takes connections only. */
export interface Liar extends AsyncDisposable {
  readonly port: number;
  /** `host:port`, as peers name it. */
  readonly address: string;
  /** Runs that it was asked for. */
  readonly requests: () => number;
}

/** `wrong-bytes`: the right bytes but for one of each run · `silent`: not a word after its bitmap · `slow`: the right bytes,
 * 4 KiB at a time, four times a second · `refuses`: has nothing after all */
export type Behaviour = "wrong-bytes" | "silent" | "slow" | "refuses";

/** @param content what the torrent describes */
export async function startLiar(
  torrent: Torrent,
  content: Uint8Array,
  behaviour: Behaviour,
): Promise<Liar> {
  const callers = new Set<Caller>();
  let requests = 0;
  const server = createServer((socket) => {
    const { port } = addressOf(server.address());
    const answer = (caller: Caller, run: PartRun): void => {
      requests++;
      ANSWERS[behaviour](caller, run, readRun(torrent, content, run));
    };
    const caller = new Caller(socket, torrent, { port, answer, isMute: behaviour === "silent" });
    callers.add(caller);
    socket.on("close", () => {
      caller.end();
      callers.delete(caller);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = addressOf(server.address());
  return {
    port,
    address: `127.0.0.1:${port}`,
    requests: () => requests,
    [Symbol.asyncDispose]: async () => {
      for (const caller of callers) caller.end();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

type Answer = (caller: Caller, run: PartRun, bytes: Uint8Array) => void;

const ANSWERS: Readonly<Record<Behaviour, Answer>> = {
  "wrong-bytes": (caller, run, bytes) => {
    // Not by slice, which on a Buffer makes no copy: who asks again would get the bytes turned right again.
    const wrong = Uint8Array.from(bytes);
    wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1;
    caller.send(run, 0, wrong);
  },
  silent: () => undefined,
  slow: (caller, run, bytes) => caller.drip(run, bytes),
  refuses: (caller, { first, count }) =>
    caller.say(encodeMessage({ type: "refuse", first, count, reason: "missing" })),
};

interface CallerOptions {
  readonly port: number;
  readonly answer: (caller: Caller, run: PartRun) => void;
  /** Does not even answer a ping. */
  readonly isMute: boolean;
}

/** One connection to the liar. */
class Caller {
  readonly #socket: Socket;
  readonly #torrent: Torrent;
  readonly #options: CallerOptions;
  readonly #handshake: Handshake;
  readonly #drips: { readonly run: PartRun; readonly bytes: Uint8Array; offset: number }[] = [];
  #preface: Uint8Array | undefined = new Uint8Array(0);
  #timer: Timer | undefined;
  #isGreeted = false;

  constructor(socket: Socket, torrent: Torrent, options: CallerOptions) {
    this.#socket = socket;
    this.#torrent = torrent;
    this.#options = options;
    this.#handshake = Handshake.listen(testCrypto, () => swarmKey(testCrypto, torrent.digest), {
      mode: "plain",
      local: {
        peerId: seededBytes(options.port, 16),
        listenPort: options.port,
        nonce: crypto.getRandomValues(new Uint8Array(16)),
      },
      binding: { dialler: new Uint8Array(0), listener: new Uint8Array(0) },
    });
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => this.#hear(Buffer.from(chunk)));
  }

  say(frame: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(frame);
  }

  /** Sends bytes of a run, from an offset within it. */
  send(run: PartRun, offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PAYLOAD_BYTES_MAX) {
      const payload = bytes.subarray(at, at + PAYLOAD_BYTES_MAX);
      const data = { type: "data", first: run.first, offset: offset + at } as const;
      this.say(encodeDataHead(data, payload.length));
      this.say(payload);
    }
  }

  /** Sends a run little by little, behind those that are being sent so. */
  drip(run: PartRun, bytes: Uint8Array): void {
    this.#drips.push({ run, bytes, offset: 0 });
    this.#timer ??= setInterval(() => {
      const drip = this.#drips[0];
      if (drip === undefined) return;
      this.send(drip.run, drip.offset, drip.bytes.subarray(drip.offset, drip.offset + DRIP_BYTES));
      drip.offset += DRIP_BYTES;
      if (drip.offset >= drip.bytes.length) this.#drips.shift();
    }, DRIP_MS);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#socket.destroy();
  }

  #hear(chunk: Uint8Array): void {
    const bytes = this.#preface === undefined ? chunk : this.#takePreface(this.#preface, chunk);
    if (bytes.length === 0) return;
    if (this.#isGreeted) {
      this.#obey(this.#handshake.decoder.push(bytes));
      return;
    }
    const step = this.#handshake.receive(bytes);
    for (const frame of step.send) this.say(frame);
    if (step.established === undefined) return;
    this.#isGreeted = true;
    this.say(encodeMessage({ type: "bitmap", parts: "all", bits: new Uint8Array(0) }));
    this.#obey(step.items ?? []);
  }

  /** @returns what came behind the preface */
  #takePreface(before: Uint8Array, chunk: Uint8Array): Uint8Array {
    const seen = Buffer.concat([before, chunk]);
    this.#preface = seen;
    if (seen.length < PREFACE_BYTES) return new Uint8Array(0);
    this.#preface = undefined;
    checkPreface(seen.subarray(0, PREFACE_BYTES), "plain");
    this.say(encodePreface("plain"));
    return seen.subarray(PREFACE_BYTES);
  }

  #obey(items: Iterable<FrameItem>): void {
    for (const item of items) {
      if (item.type !== "message") continue;
      const { message } = item;
      if (message.type === "ping" && !this.#options.isMute) {
        this.say(encodeMessage({ type: "pong", id: message.id, readAtMs: 0 }));
      }
      if (message.type !== "request") continue;
      const run = this.#torrent.geometry.run(message.first, message.count);
      if (run !== undefined) this.#options.answer(this, run);
    }
  }
}

const DRIP_BYTES = 4096;
const DRIP_MS = 250;

function readRun({ geometry }: Torrent, content: Uint8Array, run: PartRun): Uint8Array {
  const { offset, length } = geometry.runRange(run);
  return content.subarray(offset, offset + length);
}

function addressOf(address: ReturnType<ReturnType<typeof createServer>["address"]>) {
  if (address === null || typeof address === "string") throw new Error("The liar has no port");
  return address;
}
