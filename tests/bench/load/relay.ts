import type { Socket, TCPSocketListener } from "bun";
import { Line, type Share } from "./line.ts";

/** `bun tests/bench/load/relay.ts DELAY_MS HOST PORT [BYTES_PER_SECOND]`: a long way to HOST PORT. Prints the port that it
 * listens on at 127.0.0.1 and hands on all bytes, both ways, DELAY_MS after they came, holding whatever is on its way.
 * What comes back from there has to share a line of that rate, if one is named: what does not fit waits in the kernels. */

type End = Socket<{ way: Way; peerEnd: () => Way }>;

/** One direction of a connection. */
class Way {
  readonly #delayMs: number;
  readonly #travelling: { readonly dueMs: number; bytes: Uint8Array }[] = [];
  readonly #share: Share | undefined;
  #from: Socket<unknown> | undefined;
  #to: Socket<unknown> | undefined;
  #timer: Timer | undefined;
  #isEnded = false;
  #endsAtMs: number | undefined;

  constructor(delayMs: number, line?: Line) {
    this.#delayMs = delayMs;
    this.#share = line?.share(
      (bytes) => this.#send(bytes),
      () => this.#from?.resume(),
    );
  }

  leadTo(socket: Socket<unknown>): void {
    this.#to = socket;
    this.move();
  }

  take(from: Socket<unknown>, bytes: Uint8Array): void {
    if (this.#share === undefined) {
      this.#send(bytes);
      return;
    }
    this.#from = from;
    this.#share.put(bytes);
    if (this.#share.isFull()) from.pause();
  }

  end(): void {
    this.#isEnded = true;
    if (this.#share?.isEmpty() === false) return;
    this.#endsAtMs ??= performance.now() + this.#delayMs;
    this.#wait();
  }

  #send(bytes: Uint8Array): void {
    this.#travelling.push({ dueMs: performance.now() + this.#delayMs, bytes });
    if (this.#isEnded) this.end();
    this.#wait();
  }

  /** Hands on what is due, as far as the other end takes it. */
  move(): void {
    if (this.#to === undefined) return;
    for (;;) {
      const [first] = this.#travelling;
      if (first === undefined || first.dueMs > performance.now()) break;
      const taken = this.#to.write(first.bytes);
      if (taken < first.bytes.length) {
        // The rest goes when there is room again.
        first.bytes = first.bytes.subarray(Math.max(taken, 0));
        return;
      }
      this.#travelling.shift();
    }
    if (this.#travelling.length > 0 || (this.#endsAtMs ?? Number.MAX_VALUE) > performance.now())
      this.#wait();
    else this.#to.end();
  }

  #wait(): void {
    const dueMs = this.#travelling[0]?.dueMs ?? this.#endsAtMs;
    if (dueMs === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.move();
      },
      Math.max(0, dueMs - performance.now()),
    );
  }
}

function listen(
  delayMs: number,
  { hostname, port, line }: { hostname: string; port: number; line: Line | undefined },
): TCPSocketListener<unknown> {
  const socket = {
    binaryType: "uint8array" as const,
    data: (end: End, bytes: Uint8Array) => end.data.way.take(end, bytes),
    drain: (end: End) => end.data.peerEnd().move(),
    close: (end: End) => end.data.way.end(),
    error: (end: End) => end.data.way.end(),
  };
  return Bun.listen<{ way: Way; peerEnd: () => Way }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...socket,
      open(near) {
        const [there, back] = [new Way(delayMs), new Way(delayMs, line)];
        near.data = { way: there, peerEnd: () => back };
        back.leadTo(near);
        const data = { way: back, peerEnd: () => there };
        const open = (far: End) => there.leadTo(far);
        void Bun.connect({ hostname, port, data, socket: { ...socket, open } }).catch(() =>
          near.end(),
        );
      },
    },
  });
}

const [delayMs, hostname = "", port, rate] = process.argv.slice(2);
const line = rate === undefined ? undefined : new Line(Number(rate));
const listener = listen(Number(delayMs), { hostname, port: Number(port), line });
process.stdout.write(`${listener.port}\n`);
