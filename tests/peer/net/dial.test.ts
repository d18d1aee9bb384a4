import { describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { TransportError } from "../../../peer/errors.ts";
import { dial } from "../../../peer/net/dial.ts";
import { listen } from "../../../peer/net/listen.ts";
import type { SocketStreams } from "../../../peer/net/socket.ts";
import { failureCode, failureOf } from "../../support/eventually.ts";
import { readAll } from "../../support/sockets.ts";

/** @returns a port of loopback that nobody listens at */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("It did not listen");
  return address.port;
}

const soon = () => AbortSignal.timeout(5000);

describe("dial", () => {
  test("dial says refused where nobody listens, naming the address", async () => {
    const port = await freePort();
    const failure = await failureOf(dial({ host: "127.0.0.1", port }, soon()));
    expect(failure).toBeInstanceOf(TransportError);
    expect(failure).toMatchObject({ code: "refused" });
    expect(failure.message).toContain(`127.0.0.1:${port}`);
  });

  test("dial says refused over IPv6 too", async () => {
    const port = await freePort();
    const code = await failureCode(dial({ host: "::1", port }, soon()));
    expect(["refused", "unreachable"]).toContain(code);
  });

  test("dial says unreachable for a name that does not exist", async () => {
    const dialling = dial({ host: "no-such-host.invalid", port: 80 }, soon());
    expect(await failureCode(dialling)).toBe("unreachable");
  });

  test("dial fails at once when there is no time left, and leaves no connection behind", async () => {
    const accepted: SocketStreams[] = [];
    const listener = listen({ host: "127.0.0.1", port: 0 }, (socket) => accepted.push(socket));
    const address = { host: "127.0.0.1", port: listener.port };
    expect(await failureCode(dial(address, AbortSignal.abort()))).toBe("timed_out");
    const abort = new AbortController();
    const dialling = dial(address, abort.signal);
    abort.abort();
    expect(await failureCode(dialling)).toBe("timed_out");
    // A third that is let through shows that the listener worked; by then the others were seen to end.
    const third = await dial(address, soon());
    third.terminate();
    listener.stop();
    await third.closed;
    expect(accepted.length).toBeGreaterThanOrEqual(2);
    for (const socket of accepted) {
      await readAll(socket.readable).catch(() => undefined);
      await socket.closed;
    }
  });

  test("dial of one that hangs up at once ends soon, as a connection or as a failure", async () => {
    const listener = listen({ host: "127.0.0.1", port: 0 }, (socket) => socket.terminate());
    for (let times = 0; times < 20; times++) {
      const streams = await dial({ host: "127.0.0.1", port: listener.port }, soon());
      const ending = streams.readable.getReader().read();
      const end = await ending.catch((cause: unknown) => cause);
      if (end instanceof Error) expect(end).toMatchObject({ code: "reset" });
      else expect(end).toMatchObject({ done: true });
      await streams.closed;
    }
    listener.stop();
  });

  test("dial takes its listener off the signal again", async () => {
    const accepted = Promise.withResolvers<SocketStreams>();
    const listener = listen({ host: "127.0.0.1", port: 0 }, accepted.resolve);
    const abort = new AbortController();
    const near = await dial({ host: "127.0.0.1", port: listener.port }, abort.signal);
    const far = await accepted.promise;
    abort.abort();
    await far.writable.getWriter().write(Uint8Array.of(9));
    expect((await near.readable.getReader().read()).value).toEqual(Uint8Array.of(9));
    near.terminate();
    listener.stop();
    await far.closed;
  });
});
