import { connect, type Socket } from "node:net";

/** Sends requests to a server of this machine as fast as it answers, one after the other on each of many connections: the
 * runtime ends a connection on which a request comes before the last one is answered. */

export interface FloodOptions {
  readonly port: number;
  /** How many requests in all. */
  readonly count: number;
  readonly connections: number;
  /** @returns the next request, byte for byte; one that ends its connection says so by `isLast` */
  readonly next: () => { readonly text: string | Uint8Array; readonly isLast: boolean };
}

export interface FloodOutcome {
  /** How often each status came. */
  readonly statuses: ReadonlyMap<number, number>;
  readonly sentBytes: number;
  /** Requests for which nothing came before the connection ended. */
  readonly unanswered: number;
}

const STATUS = /HTTP\/1\.1 ([1-5]\d\d)/g;
const STATUS_CHARS = "HTTP/1.1 200".length;

/** @returns when all are answered, or their connections have ended */
export async function flood(options: FloodOptions): Promise<FloodOutcome> {
  const statuses = new Map<number, number>();
  const state = { left: options.count, sentBytes: 0, unanswered: 0, statuses };
  await Promise.all(
    Array.from({ length: options.connections }, async () => {
      while (state.left > 0) await converse(options, state);
    }),
  );
  return state;
}

interface FloodState {
  left: number;
  sentBytes: number;
  unanswered: number;
  readonly statuses: Map<number, number>;
}

/** One connection, until it ends or nothing is left to ask. */
function converse({ port, next }: FloodOptions, state: FloodState): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let open = 0;
    let isEnding = false;
    let rest = "";
    const ask = (): void => {
      if (!isEnding && state.left > 0 && open === 0) {
        const { text, isLast } = next();
        state.left--;
        open++;
        state.sentBytes += text.length;
        send(socket, text);
        isEnding = isLast;
      }
      // What is broken may want more: the end says that no more comes.
      if (isEnding || (state.left === 0 && open === 0)) socket.end();
    };
    socket.setEncoding("latin1");
    socket.on("connect", ask);
    socket.on("data", (chunk) => {
      const text = rest + String(chunk);
      let end = 0;
      for (const match of text.matchAll(STATUS)) {
        const status = Number(match[1]);
        end = match.index + match[0].length;
        if (status >= 200) open--;
        state.statuses.set(status, (state.statuses.get(status) ?? 0) + 1);
      }
      // A status may come in two pieces.
      rest = text.slice(Math.max(end, text.length - STATUS_CHARS + 1));
      ask();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      state.unanswered += Math.max(0, open);
      resolve();
    });
  });
}

function send(socket: Socket, text: string | Uint8Array): void {
  if (typeof text === "string") socket.write(text, "latin1");
  else socket.write(text);
}
