import { describe, expect, test } from "bun:test";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EXIT_CODES } from "../../../peer/cli/exit-codes.ts";
import type { Context } from "../../../peer/cli/verbs.ts";
import { IncompleteError, TrackerError } from "../../../peer/errors.ts";
import { createEventsValidator, parseLines } from "./events-validator.ts";
import { CapturedStream, type RunOptions, runCli, withDirectory } from "./harness.ts";

/** A verb that ends when it is stopped, as `serve` does. */
async function untilStopped({ signal }: Context): Promise<number> {
  const { promise, reject } = Promise.withResolvers<number>();
  signal.addEventListener("abort", () => reject(signal.reason));
  if (signal.aborted) reject(signal.reason);
  return promise;
}

describe("runPeer", () => {
  test("runPeer gives each verb its options and ends with the code it returns", async () => {
    const seen: unknown[] = [];
    const note = async (_context: Context, options?: unknown): Promise<number> => {
      seen.push(options);
      return EXIT_CODES.ok;
    };
    const verbs = { upload: note, download: note, serve: note, prompt: note };
    for (const argv of [["upload", "f"], ["download", "t", "f"], ["serve"]]) {
      expect(await runCli(argv, { verbs })).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    }
    expect(seen).toMatchObject([{ file: "f" }, { target: "f" }, undefined]);
  });

  test("runPeer gives a pipe standard output, but no terminal", async () => {
    const bytes = new TextEncoder().encode("data");
    const download = async ({ openByteOutput }: Context): Promise<number> => {
      const writer = openByteOutput().getWriter();
      await writer.write({ bytes, done: () => {} });
      return EXIT_CODES.ok;
    };
    for (const isTTY of [false, true]) {
      const stdout = new CapturedStream({ isTTY });
      const result = await runCli(["download", "t", "-"], { verbs: { download }, stdout });
      expect([isTTY, result.exitCode]).toEqual([isTTY, isTTY ? 2 : 0]);
      expect(stdout.text === "").toBe(isTTY);
      if (isTTY) expect(result.stderr).toContain("standard output is a terminal");
    }
  });

  test("runPeer keeps JSON off the standard output of a pipe, also of a line that it cannot read", async () => {
    const download = async (): Promise<number> => {
      throw new IncompleteError("stalled", "Cannot go on: nothing came");
    };
    for (const more of [[], ["--offset", "x"], ["--nonsense"]]) {
      const argv = ["download", "t", "-", "--json", ...more];
      const { exitCode, stdout, stderr } = await runCli(argv, { verbs: { download } });
      expect([argv, stdout]).toEqual([argv, ""]);
      expect(parseLines(stderr).at(-1)).toMatchObject({ type: "summary", exitCode });
      expect(exitCode).toBe(more.length === 0 ? 5 : 2);
      const file = ["download", "t", "f", "--json", ...more];
      expect((await runCli(file, { verbs: { download } })).stdout).toContain('"summary"');
    }
  });

  test("runPeer hands the config of the original's form to the prompt", async () => {
    await withDirectory(async (directory) => {
      await writeFile(join(directory, "c.json"), '{"self.service": "data", "self.port": "7001"}');
      let lines = "";
      const prompt = async ({ config, stdin }: Context): Promise<number> => {
        lines = await textOf(stdin());
        expect(config).toMatchObject({ dataDir: join(directory, "data"), listen: { port: 7001 } });
        return EXIT_CODES.ok;
      };
      const result = await runCli(["c.json"], { directory, verbs: { prompt }, stdin: "list\n" });
      expect(result.exitCode).toBe(0);
      expect(lines).toBe("list\n");
    });
  });

  test("runPeer shows an error as one line on standard error and gives its exit code", async () => {
    const serve = async (): Promise<number> => {
      throw new TrackerError("unreachable", "Cannot announce: http://a is unreachable");
    };
    const result = await runCli(["serve"], { verbs: { serve } });
    expect(result).toEqual({
      exitCode: 6,
      stdout: "",
      stderr:
        "ERROR code=6 name=tracker: Cannot announce: http://a is unreachable; hint: check that the tracker runs and --tracker names it, or name a peer with --peer HOST:PORT\n",
    });
  });

  test("runPeer shows where a bug is, after its line, and ends with 1", async () => {
    const serve = async (): Promise<number> => {
      throw new RangeError("unthinkable");
    };
    const { exitCode, stderr } = await runCli(["serve"], { verbs: { serve } });
    expect(exitCode).toBe(1);
    expect(stderr).toStartWith("ERROR code=1 name=error: unthinkable; hint: this is a bug");
    expect(stderr).toContain("run.test.ts");
    expect(stderr.split("\n").every((line) => line.length <= 300)).toBe(true);
  });

  test("runPeer ends with 130 and 143 when it is stopped, without calling that an error", async () => {
    for (const [signal, exitCode, name] of [
      ["SIGINT", 130, "interrupted"],
      ["SIGTERM", 143, "terminated"],
    ] as const) {
      const options: RunOptions = {
        verbs: { serve: untilStopped },
        onReady: (stop) => queueMicrotask(() => stop(signal)),
      };
      const result = await runCli(["serve", "--json"], options);
      expect(result).toMatchObject({ exitCode, stderr: "" });
      expect(parseLines(result.stdout).at(-1)).toMatchObject({ result: name, exitCode });
    }
  });

  test("runPeer says that it was stopped, whatever broke while stopping", async () => {
    const serve = async (context: Context): Promise<number> => {
      await untilStopped(context).catch(() => {});
      throw new IncompleteError("nobody_left", "Cannot go on: everybody left");
    };
    const onReady = (stop: (signal: "SIGINT") => void): void =>
      queueMicrotask(() => stop("SIGINT"));
    expect((await runCli(["serve"], { verbs: { serve }, onReady })).exitCode).toBe(130);
    expect((await runCli(["serve"], { verbs: { serve: async () => 5 } })).exitCode).toBe(5);
  });

  test("runPeer stops the verb and ends with 141 when nobody reads standard output any more", async () => {
    const failure = Object.assign(new Error("EPIPE"), { code: "EPIPE" });
    const options = { verbs: { serve: untilStopped }, stdout: new CapturedStream({ failure }) };
    expect(await runCli(["serve", "--json"], options)).toMatchObject({ exitCode: 141, stderr: "" });
    const late = { stdout: new CapturedStream({ failure }) };
    expect((await runCli(["version"], late)).exitCode).toBe(141);
  });

  test("runPeer with --json gives start first, summary last and valid lines, also for what cannot be read", async () => {
    const validate = createEventsValidator();
    const cases: readonly (readonly [
      readonly string[],
      Readonly<Record<string, string>>,
      number,
    ])[] = [
      [["version", "--json"], {}, 0],
      [["--json", "help", "upload"], {}, 0],
      [["list", "--json", "--nonsense"], {}, 2],
      [["--json"], {}, 2],
      [["list", "--json", "--listen", "x"], {}, 2],
      [["list", "--nonsense"], { PEER_JSON: "1" }, 2],
      [["inspect", "/nowhere/t.json", "--json"], {}, 4],
    ];
    for (const [argv, variables, exitCode] of cases) {
      const result = await runCli(argv, { variables });
      const events = parseLines(result.stdout);
      for (const event of events) expect([argv, event, validate(event)]).toEqual([argv, event, ""]);
      expect(result.exitCode).toBe(exitCode);
      expect(events.at(0)).toMatchObject({ type: "start", v: 1 });
      expect(events.at(-1)).toMatchObject({ type: "summary", exitCode });
      expect(events.filter((event) => event.type === "error")).toHaveLength(exitCode === 0 ? 0 : 1);
      expect(result.stderr.startsWith("ERROR code=")).toBe(exitCode !== 0);
    }
  });

  test("runPeer takes --json after -- for a file", async () => {
    const result = await runCli(["upload", "--nonsense", "--", "--json"]);
    expect(result).toMatchObject({ exitCode: 2, stdout: "" });
  });

  test("runPeer tells how it would be right even when a variable is wrong", async () => {
    const variables = { PEER_LISTEN: "wrong", PEER_JSON: "wrong" };
    expect((await runCli(["help"], { variables })).stdout).toStartWith("Usage: peer VERB");
    expect((await runCli(["--version"], { variables })).stdout).toMatch(
      /^peer \d+\.\d+\.\d+ \(bun /,
    );
    expect(await runCli(["list"], { variables })).toMatchObject({ exitCode: 2 });
  });

  test("runPeer keeps logs off standard output, at the level and in the form wished", async () => {
    const serve = async ({ log }: Context): Promise<number> => {
      log.info("a transfer begins", { file: "a b" });
      log.debug("a peer", { peer: "h:1" });
      return EXIT_CODES.ok;
    };
    const verbs = { serve };
    const text = await runCli(["serve"], { verbs });
    expect(text.stdout).toBe("");
    expect(text.stderr).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}a transfer begins file="a b"\n$/);
    const json = await runCli(["serve", "-v", "--log-format", "json"], { verbs });
    expect(
      json.stderr
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { level: "info", message: "a transfer begins", file: "a b" },
      { level: "debug", message: "a peer", peer: "h:1" },
    ]);
    expect((await runCli(["serve", "-q"], { verbs })).stderr).toBe("");
  });

  test("runPeer writes logs to --log-file, appending, and refuses one that cannot be opened", async () => {
    await withDirectory(async (directory) => {
      const serve = async ({ log }: Context): Promise<number> => {
        log.warn("degraded");
        return EXIT_CODES.ok;
      };
      const argv = ["serve", "--log-file", "peer.log"];
      for (const _ of [1, 2]) {
        expect(await runCli(argv, { directory, verbs: { serve } })).toMatchObject({ stderr: "" });
      }
      const text = await readFile(join(directory, "peer.log"), "utf8");
      expect(text.match(/WARN {2}degraded\n/g)).toHaveLength(2);
      const refused = await runCli(["serve", "--log-file", "."], { directory, verbs: { serve } });
      expect(refused).toMatchObject({ exitCode: 2 });
      expect(refused.stderr).toContain("--log-file");
    });
  });
});

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(chunks)).toString();
}
