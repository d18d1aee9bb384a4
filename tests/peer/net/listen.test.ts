import { describe, expect, test } from "bun:test";
import { StorageError, UsageError } from "../../../peer/errors.ts";
import { dial } from "../../../peer/net/dial.ts";
import { type Listener, listen } from "../../../peer/net/listen.ts";
import type { SocketStreams } from "../../../peer/net/socket.ts";
import { readAll } from "../../support/sockets.ts";

function greeter(host: string, port = 0): Listener {
  return listen({ host, port }, (socket) => {
    const writer = socket.writable.getWriter();
    void writer.write(new TextEncoder().encode("hi")).then(() => writer.close());
  });
}

async function greetingAt(host: string, port: number): Promise<string> {
  const streams = await dial({ host, port }, AbortSignal.timeout(5000));
  return new TextDecoder().decode(await readAll(streams.readable));
}

describe("listen", () => {
  test("listen at port 0 binds any free one and says which", async () => {
    const listener = greeter("127.0.0.1");
    expect(listener.port).toBeGreaterThan(0);
    expect(await greetingAt("127.0.0.1", listener.port)).toBe("hi");
    listener.stop();
  });

  test("listen at :: takes IPv4 and IPv6", async () => {
    const listener = greeter("::");
    expect(await greetingAt("127.0.0.1", listener.port)).toBe("hi");
    expect(await greetingAt("::1", listener.port)).toBe("hi");
    listener.stop();
  });

  test("listen says busy when the port is in use, also at ::", () => {
    for (const host of ["127.0.0.1", "::"]) {
      const first = greeter(host);
      expect(() => greeter(host, first.port)).toThrow(StorageError);
      expect(() => greeter(host, first.port)).toThrow(`${first.port}: the port is in use`);
      first.stop();
    }
  });

  test("listen refuses an address that is none of this machine's, as the user's mistake", () => {
    for (const host of ["203.0.113.7", "no-such-host.invalid"])
      expect(() => greeter(host)).toThrow(UsageError);
  });

  test("stop takes no more connections and leaves those that stand", async () => {
    const accepted = Promise.withResolvers<SocketStreams>();
    const listener = listen({ host: "127.0.0.1", port: 0 }, accepted.resolve);
    const address = { host: "127.0.0.1", port: listener.port };
    const near = await dial(address, AbortSignal.timeout(5000));
    const far = await accepted.promise;
    listener.stop();
    expect(dial(address, AbortSignal.timeout(5000))).rejects.toMatchObject({ code: "refused" });
    const writer = near.writable.getWriter();
    await writer.write(Uint8Array.of(1, 2, 3));
    await writer.close();
    expect(await readAll(far.readable)).toEqual(Uint8Array.of(1, 2, 3));
  });
});
