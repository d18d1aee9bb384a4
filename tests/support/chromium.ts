import { existsSync } from "node:fs";
import { join } from "node:path";
import { makeTempDirectory, removeDirectory } from "./tracker.ts";

/** A headless Chromium, driven by the protocol of its own developer tools. */

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const START_TIMEOUT_MS = 60_000;
const CALL_TIMEOUT_MS = 60_000;

/** What the browser says by itself: an event of the protocol. */
export interface BrowserEvent {
  readonly method: string;
  readonly params: Record<string, unknown>;
  readonly sessionId?: string;
}

/** One tab, in a profile of its own. */
export interface Tab {
  /** Everything that the tab said by itself so far, oldest first. */
  readonly events: readonly BrowserEvent[];
  /** Calls a method of the protocol.
   * @throws {Error} with the browser's words */
  call(method: string, params?: object): Promise<Record<string, unknown>>;
  /** @returns the value of an expression in the page */
  evaluate(expression: string): Promise<unknown>;
}

export interface Chromium extends AsyncDisposable {
  openTab(): Promise<Tab>;
}

/** @returns where Chromium is: the file that CHROMIUM names and no other, else in its usual place; undefined when there is none */
export function findChromium(): string | undefined {
  const named = process.env.CHROMIUM;
  return (named === undefined ? PLACES : [named]).find((path) => existsSync(path));
}

/** Starts a browser. Disposing ends it, with all its processes, and removes its profile. */
export async function startChromium(executable: string): Promise<Chromium> {
  const home = await makeTempDirectory();
  const child = Bun.spawn(
    [
      executable,
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-background-networking",
      "--disable-component-update",
      "--no-first-run",
      "--remote-debugging-port=0",
      `--user-data-dir=${join(home, "profile")}`,
      "about:blank",
    ],
    {
      env: { PATH: process.env.PATH ?? "", HOME: home, TMPDIR: home },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    },
  );
  const release = async (): Promise<void> => {
    child.kill("SIGTERM");
    const deadline = setTimeout(() => child.kill("SIGKILL"), 5000);
    await child.exited;
    clearTimeout(deadline);
    await removeDirectory(home);
  };
  try {
    const connection = await connect(await readAddress(child.stderr));
    return {
      openTab: () => openTab(connection),
      [Symbol.asyncDispose]: async () => {
        connection.close();
        await release();
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** The browser says on stderr where it listens; what follows there is read and thrown away, so that it never has to wait. */
async function readAddress(stderr: ReadableStream<Uint8Array>): Promise<string> {
  const address = Promise.withResolvers<string>();
  let text = "";
  const deadline = setTimeout(
    () => address.reject(new Error(`No Chromium after ${START_TIMEOUT_MS} ms: ${text}`)),
    START_TIMEOUT_MS,
  );
  const drain = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stderr) {
      if (text.length < 100_000) text += decoder.decode(chunk, { stream: true });
      const found = /^DevTools listening on (ws:\S+)/m.exec(text)?.[1];
      if (found !== undefined) address.resolve(found);
    }
    address.reject(new Error(`Chromium ended: ${text}`));
  };
  drain().catch(address.reject);
  try {
    return await address.promise;
  } finally {
    clearTimeout(deadline);
  }
}

interface Connection {
  call(method: string, params: object, sessionId?: string): Promise<Record<string, unknown>>;
  onEvent(sessionId: string, take: (event: BrowserEvent) => void): void;
  close(): void;
}

async function connect(url: string): Promise<Connection> {
  const socket = new WebSocket(url);
  const waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  const takers = new Map<string, (event: BrowserEvent) => void>();
  let calls = 0;
  socket.onmessage = ({ data }) => {
    const message = Object(JSON.parse(String(data)));
    if (message.id === undefined) takers.get(message.sessionId)?.(message);
    else if (message.error === undefined) waiting.get(message.id)?.resolve(message.result);
    else waiting.get(message.id)?.reject(new Error(JSON.stringify(message.error)));
    waiting.delete(message.id);
  };
  socket.onclose = () => {
    for (const { reject } of waiting.values()) reject(new Error("Chromium hung up"));
  };
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error(`Cannot talk to Chromium at ${url}`));
  });
  return {
    call: async (method, params, sessionId) => {
      const id = ++calls;
      const answer = Promise.withResolvers<Record<string, unknown>>();
      const late = (): void => answer.reject(new Error(`No answer to ${method}`));
      const deadline = setTimeout(late, CALL_TIMEOUT_MS);
      waiting.set(id, answer);
      socket.send(JSON.stringify({ id, method, params, sessionId }));
      return await answer.promise.finally(() => clearTimeout(deadline));
    },
    onEvent: (sessionId, take) => takers.set(sessionId, take),
    close: () => socket.close(),
  };
}

async function openTab(connection: Connection): Promise<Tab> {
  const { browserContextId } = await connection.call("Target.createBrowserContext", {});
  const target = { url: "about:blank", browserContextId };
  const { targetId } = await connection.call("Target.createTarget", target);
  const attached = await connection.call("Target.attachToTarget", { targetId, flatten: true });
  const sessionId = String(attached.sessionId);
  const events: BrowserEvent[] = [];
  connection.onEvent(sessionId, (event) => events.push(event));
  const call: Tab["call"] = (method, params = {}) => connection.call(method, params, sessionId);
  for (const domain of ["Page", "Runtime", "Log", "Network", "Accessibility"]) {
    await call(`${domain}.enable`);
  }
  return {
    events,
    call,
    evaluate: async (expression) => {
      const answer = await call("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
      });
      if (answer.exceptionDetails !== undefined) throw new Error(JSON.stringify(answer));
      return Object(answer.result).value;
    },
  };
}
