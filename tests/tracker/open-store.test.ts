import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { FatalError } from "../../tracker/errors.ts";
import { openSwarmStore } from "../../tracker/swarm-store/open.ts";
import type { SwarmStore } from "../../tracker/swarm-store/store.ts";
import { announceOf } from "../contract/swarm-store/announces.ts";
import {
  eventually,
  FakeClock,
  holdLock,
  linesOf,
  makeTempDirectory,
  removeDirectory,
  SeededRandom,
} from "../support/tracker.ts";

const CHILD = join(import.meta.dir, "open-store-child.ts");
const STARTERS = 8;
const ROUNDS = 6;

let directory: string;

beforeAll(async () => {
  directory = await makeTempDirectory();
});
afterAll(() => removeDirectory(directory));

/** A process that opens the next of `urls` each time it is told to. */
class Starter implements AsyncDisposable {
  readonly #child;
  readonly #lines;
  readonly #errors;

  constructor(port: number, urls: readonly string[]) {
    const command = [process.execPath, CHILD, String(port), String(STARTERS), ...urls];
    this.#child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    this.#lines = linesOf(this.#child.stdout);
    this.#errors = new Response(this.#child.stderr).text();
  }

  go(): void {
    this.#child.stdin.write("go\n");
    this.#child.stdin.flush();
  }

  async answer(): Promise<string> {
    const { value } = await this.#lines.next();
    return typeof value === "string" ? value : this.#errors;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}

describe("openSwarmStore", () => {
  test("lets eight processes open one fresh file at the same moment, again and again", async () => {
    const urls = Array.from({ length: ROUNDS }, (_, at) => `file:${join(directory, `${at}.db`)}`);
    const ports = Array.from({ length: STARTERS }, (_, at) => at + 1);
    await using all = new AsyncDisposableStack();
    const starters = ports.map((port) => all.use(new Starter(port, urls)));
    const answers = (): Promise<string[]> => Promise.all(starters.map((one) => one.answer()));
    expect(await answers()).toEqual(starters.map(() => "loaded"));
    for (const _url of urls) {
      for (const starter of starters) starter.go();
      expect(await answers()).toEqual(ports.map(() => String(STARTERS)));
    }
  }, 60_000);

  const open = (clock: FakeClock, url: string): Promise<SwarmStore> => {
    const { signal } = new AbortController();
    return openSwarmStore(clock, new SeededRandom(1), { url, token: undefined, signal });
  };

  test("waits for a database that another process holds longer than one statement waits", async () => {
    const path = join(directory, "held.db");
    const clock = new FakeClock();
    await (await open(clock, `file:${path}`))[Symbol.asyncDispose]();
    const lock = await holdLock(path);
    const opening = open(clock, `file:${path}`);
    await eventually(
      () => clock.sleepers,
      (sleepers) => sleepers === 1,
    );
    await lock[Symbol.asyncDispose]();
    await clock.advance(1000);
    await using store = await opening;
    expect(await store.announce(announceOf({ create: true }))).toMatchObject({ incomplete: 1 });
  }, 20_000);

  test("gives up after half a minute of a locked database", async () => {
    const path = join(directory, "stuck.db");
    const clock = new FakeClock();
    await (await open(clock, `file:${path}`))[Symbol.asyncDispose]();
    await using _lock = await holdLock(path);
    const opening = open(clock, `file:${path}`).catch((reason: unknown) => reason);
    await eventually(
      () => clock.sleepers,
      (sleepers) => sleepers === 1,
    );
    await clock.advance(30_000);
    const error = await opening;
    expect(error).toBeInstanceOf(FatalError);
    expect(error).toMatchObject({ code: "io" });
  }, 20_000);
});
