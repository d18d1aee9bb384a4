import type { Socket, TCPSocketListener } from "bun";

/** `bun tests/bench/load/relay.ts DELAY_MS HOST PORT`: a long way to HOST PORT. Prints the port that it listens on at
 * 127.0.0.1 and hands on all bytes, both ways, DELAY_MS after they came. It holds whatever is on its way: the line has no
 * rate of its own. */

type End = Socket<{ way: Way; peerEnd: () => Way }>;

/** One direction of a connection. */
class Way {
  readonly #delayMs: number;
  readonly #travelling: { readonly dueMs: number; bytes: Uint8Array }[] = [];
  #to: Socket<unknown> | undefined;
  #timer: Timer | undefined;
  #endsAtMs: number | undefined;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  leadTo(socket: Socket<unknown>): void {
    this.#to = socket;
    this.move();
  }

  take(bytes: Uint8Array): void {
    this.#travelling.push({ dueMs: performance.now() + this.#delayMs, bytes });
    this.#wait();
  }

  end(): void {
    this.#endsAtMs ??= performance.now() + this.#delayMs;
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

function listen(delayMs: number, hostname: string, port: number): TCPSocketListener<unknown> {
  const socket = {
    binaryType: "uint8array" as const,
    data: (end: End, bytes: Uint8Array) => end.data.way.take(bytes),
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
        const [there, back] = [new Way(delayMs), new Way(delayMs)];
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

const [delayMs, host = "", port] = process.argv.slice(2);
process.stdout.write(`${listen(Number(delayMs), host, Number(port)).port}\n`);
