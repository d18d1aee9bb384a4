import { connect, createServer, type Socket } from "node:net";

/** Stands between two peers and counts what passes: what was really sent, whatever either of them says. */
export interface CountingProxy extends AsyncDisposable {
  readonly port: number;
  /** Bytes that came from behind the proxy and were passed on, so far. */
  readonly bytesSent: () => number;
}

/** @param target the port, on this machine, to which every connection leads */
export async function startCountingProxy(target: number): Promise<CountingProxy> {
  const sockets = new Set<Socket>();
  let bytes = 0;
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    far.on("data", (chunk) => {
      bytes += chunk.length;
    });
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The proxy has no port");
  return {
    port: address.port,
    bytesSent: () => bytes,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
