import { describe, expect, test } from "bun:test";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { makeTempDirectory } from "../support/temp.ts";
import { waitUntil } from "../support/wait.ts";

const DEMO = join(import.meta.dir, "demo.ts");

describe("the demo", () => {
  test("the demo moves a file, says how fast and how to go on, and leaves nothing behind", async () => {
    await using demo = await startDemo("--mib", "8");
    const { exitCode, stdout } = await demo.ended;
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /SUCCESSFUL UPLOAD\n[\s\S]*SUCCESSFUL DOWNLOAD\n[\s\S]*Both files have the SHA-256 [0-9a-f]{16}[\s\S]*\d+ MiB\/s\n[\s\S]* peer upload FILE /,
    );
    expect(await demo.remains()).toEqual({ files: [], processes: [] });
  }, 60_000);

  test("the demo removes its files and programs when it is interrupted, and is not deaf to that", async () => {
    await using demo = await startDemo("--mib", "200");
    await demo.printed("2. The first peer");
    // It says so before the peer is started.
    const during = await waitUntil(async () => {
      const remains = await demo.remains();
      return remains.processes.length >= 2 && remains;
    }, "tracker and peer");
    expect(during.files).toHaveLength(1);
    demo.stop("SIGINT");
    const { exitCode, stderr } = await demo.ended;
    expect(exitCode).toBe(130);
    expect(stderr).toContain("Stopped by SIGINT");
    expect(await demo.remains()).toEqual({ files: [], processes: [] });
  }, 60_000);

  test("the demo ends and leaves nothing when nobody reads what it says", async () => {
    await using demo = await startDemo("--mib", "8");
    await demo.closeOutput();
    expect(await demo.ended).toMatchObject({
      exitCode: 141,
      stderr: expect.stringContaining("Nobody reads this"),
    });
    expect(await demo.remains()).toEqual({ files: [], processes: [] });
  }, 60_000);

  test("the demo says so and leaves nothing when there is no room, or it is asked for nonsense", async () => {
    await using large = await startDemo("--mib", "999999");
    expect(await large.ended).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("has no room"),
    });
    expect(await large.remains()).toEqual({ files: [], processes: [] });
    await using nonsense = await startDemo("--mib", "0");
    expect(await nonsense.ended).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("Usage:"),
    });
  }, 60_000);
});

/** Starts the demo with a directory for temporary files that nobody else uses. */
async function startDemo(...args: readonly string[]) {
  const temp = await makeTempDirectory();
  const { PATH = "", HOME = "" } = process.env;
  const child = Bun.spawn([process.execPath, DEMO, ...args], {
    env: { PATH, HOME, TMPDIR: temp.path },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const texts = { stdout: "", stderr: "" };
  const readers = { stdout: child.stdout.getReader(), stderr: child.stderr.getReader() };
  const drain = async (name: keyof typeof texts): Promise<void> => {
    const decoder = new TextDecoder();
    for (;;) {
      const { value, done } = await readers[name].read();
      if (done) return;
      texts[name] += decoder.decode(value, { stream: true });
    }
  };
  const ended = Promise.all([child.exited, drain("stdout"), drain("stderr")]).then(
    ([exitCode]) => ({ exitCode, ...texts }),
  );
  return {
    ended,
    printed: (text: string) =>
      waitUntil(() => texts.stdout.includes(text), `"${text}"`, { state: () => texts.stderr }),
    closeOutput: () => readers.stdout.cancel(),
    stop: (signal: NodeJS.Signals) => child.kill(signal),
    /** What the demo has in the world now, itself left out. */
    remains: async () => ({
      files: await readdir(temp.path),
      processes: (await processesOf(temp.path)).filter((pid) => pid !== child.pid),
    }),
    [Symbol.asyncDispose]: async () => {
      // Not SIGKILL: it has programs of its own to end.
      child.kill("SIGTERM");
      await ended;
      await temp[Symbol.asyncDispose]();
    },
  };
}

/** @returns the ids of the processes whose TMPDIR is the directory, where the system tells */
async function processesOf(directory: string): Promise<readonly number[]> {
  const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    ids.map(async (id) => {
      const environment = await readFile(`/proc/${id}/environ`, "utf8").catch(() => "");
      return environment.split("\0").includes(`TMPDIR=${directory}`) ? [Number(id)] : [];
    }),
  );
  return found.flat();
}
