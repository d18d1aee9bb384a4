import { connect, createServer, type Server, type Socket } from "node:net";

/** Listeners on this machine that nobody out there should get us to call; they count who does. */
export interface Canary extends AsyncDisposable {
  readonly port: number;
  /** Connections that came, of all listeners. */
  readonly calls: () => number;
  /** Bytes that they brought. */
  readonly bytes: () => number;
}

/** @param hosts addresses of loopback, one listener each, all at one port
 * @param wished that port; by default any */
export async function startCanary(hosts: readonly string[] = ["::"], wished = 0): Promise<Canary> {
  let [calls, bytes] = [0, 0];
  const sockets = new Set<Socket>();
  const onConnection = (socket: Socket): void => {
    calls++;
    sockets.add(socket);
    socket.on("data", (chunk) => {
      bytes += chunk.length;
    });
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  };
  const servers: Server[] = [];
  let port = wished;
  for (const host of hosts) {
    const server = createServer(onConnection);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
    servers.push(server);
    const address = server.address();
    if (typeof address === "object" && address !== null) port = address.port;
  }
  return {
    port,
    calls: () => calls,
    bytes: () => bytes,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
    },
  };
}

/** @returns once the canary has taken a call of our own, so that all that came before it are counted */
export async function settle(canary: Canary): Promise<void> {
  const socket = connect(canary.port, "127.0.0.1");
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  socket.destroy();
  await Bun.sleep(50);
}
