import { connect, type Socket } from "node:net";

/** Many plain connections to one port of this machine. */
export class Callers implements Disposable {
  readonly #sockets: Socket[] = [];
  closed = 0;

  /** Connects so many; each is open, or refused, or ended again, when this resolves. */
  async add(port: number, count: number): Promise<void> {
    const arriving = Array.from({ length: count }, () => this.#call(port));
    await Promise.all(arriving);
  }

  #call(port: number): Promise<void> {
    const socket = connect(port, "127.0.0.1");
    this.#sockets.push(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.closed++);
    return new Promise((resolve) => {
      socket.once("connect", () => resolve());
      socket.once("close", () => resolve());
    });
  }

  get open(): number {
    return this.#sockets.length - this.closed;
  }

  write(bytes: Uint8Array): void {
    for (const socket of this.#sockets) if (!socket.destroyed) socket.write(bytes);
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
