import { connect, createServer, type Socket } from "node:net";
import { FrameDecoder } from "../../protocol/frame.ts";
import { PREFACE_BYTES } from "../../protocol/limits.ts";

/** Stands before a seeder and reads along what is asked of it: plain connections only. */
export interface RequestTap extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Forgets what was asked so far.
   * @returns resolves with `performance.now()` when the next part is asked for */
  next(): Promise<number>;
}

/** @param target where every connection leads */
export async function startRequestTap(target: {
  readonly host: string;
  readonly port: number;
}): Promise<RequestTap> {
  const sockets = new Set<Socket>();
  let asked = Promise.withResolvers<number>();
  const server = createServer((near) => {
    const far = connect(target.port, target.host);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.on(
      "data",
      readAlong(() => asked.resolve(performance.now())),
    );
    near.pipe(far);
    far.pipe(near);
  });
  const host = "127.0.0.1";
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The tap has no port");
  return {
    host,
    port: address.port,
    next: () => {
      asked = Promise.withResolvers<number>();
      return asked.promise;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function readAlong(onRequest: () => void): (chunk: Uint8Array) => void {
  const decoder = new FrameDecoder();
  let prefaceBytes = PREFACE_BYTES;
  return (chunk) => {
    const frames = chunk.subarray(prefaceBytes);
    prefaceBytes -= chunk.length - frames.length;
    for (const item of decoder.push(frames)) {
      if (item.type === "message" && item.message.type === "request") onRequest();
    }
  };
}
