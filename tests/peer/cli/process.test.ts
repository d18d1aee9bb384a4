import { describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeTorrent, randomBytes } from "../../support/fixtures.ts";
import { peerCommand } from "../../support/peer-process.ts";
import { formatTorrent } from "../../support/torrent-text.ts";
import { createEventsValidator, parseLines } from "./events-validator.ts";
import { withDirectory } from "./harness.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;

interface Peer extends AsyncDisposable {
  readonly process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  /** Resolves when the text has been seen on standard output or standard error. */
  readonly seen: (text: string) => Promise<void>;
  readonly ended: Promise<{
    readonly exitCode: number;
    readonly stdout: string;
    readonly stderr: string;
  }>;
}

/** Starts a peer as a user does, with nothing of this machine's surroundings. */
function startPeer(directory: string, ...argv: readonly string[]): Peer {
  const process_ = Bun.spawn([...peerCommand(), ...argv], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: directory, PEER_LISTEN: "127.0.0.1:0" },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const texts = { stdout: "", stderr: "" };
  const waiting = new Set<() => void>();
  const collect = async (name: keyof typeof texts): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of process_[name]) {
      texts[name] += decoder.decode(chunk, { stream: true });
      for (const look of waiting) look();
    }
  };
  const collected = Promise.all([collect("stdout"), collect("stderr"), process_.exited]);
  const ended = collected.then(([, , exitCode]) => ({ exitCode, ...texts }));
  const seen = (text: string): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (`${texts.stdout}${texts.stderr}`.includes(text)) resolve();
    };
    waiting.add(look);
    look();
    void ended.then((end) =>
      reject(new Error(`It ended before "${text}": ${JSON.stringify(end)}`)),
    );
    return promise.finally(() => waiting.delete(look));
  };
  const dispose = async (): Promise<void> => {
    process_.kill("SIGKILL");
    await ended;
  };
  return { process: process_, seen, ended, [Symbol.asyncDispose]: dispose };
}

async function runPeer(directory: string, ...argv: readonly string[]) {
  await using peer = startPeer(directory, ...argv);
  peer.process.stdin.end();
  return await peer.ended;
}

describe("bun peer", () => {
  test("bun peer gives its whole help through a pipe, and nothing of its own on standard error", async () => {
    await withDirectory(async (directory) => {
      const { exitCode, stdout, stderr } = await runPeer(directory, "help", "download");
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
      expect(stdout).toStartWith("Usage: peer download <TORRENT> <FILE|-> [flags]\n");
      expect(stdout).toEndWith("peer download big.tar.torrent.json - | tar x\n");
    });
  });

  test("bun peer ends with the exit code of what went wrong", async () => {
    await withDirectory(async (directory) => {
      const torrent = join(directory, "t.json");
      await writeFile(torrent, formatTorrent(makeTorrent({ content: randomBytes(5, 1000) })));
      await writeFile(join(directory, "bad.json"), "[]");
      await writeFile(join(directory, "f"), randomBytes(6, 1000));
      const cases: readonly (readonly [number, string, readonly string[]])[] = [
        [0, "", ["inspect", torrent]],
        [2, "usage", ["inspect"]],
        [2, "usage", ["nonsense"]],
        [3, "bad-torrent", ["inspect", join(directory, "bad.json")]],
        [4, "not-found", ["inspect", join(directory, "none.json")]],
        [4, "not-found", ["remove", "ffff"]],
        [7, "integrity", ["verify", torrent, join(directory, "f")]],
      ];
      for (const [code, name, argv] of cases) {
        const { exitCode, stderr } = await runPeer(directory, ...argv);
        expect([argv, exitCode, stderr.split(":")[0]]).toEqual([
          argv,
          code,
          code === 0 ? "" : `ERROR code=${code} name=${name}`,
        ]);
      }
    });
  }, 30_000);

  test("bun peer serve ends with 130 and 143 when it is stopped, its summary last", async () => {
    const validate = createEventsValidator();
    for (const [signal, code, result] of [
      ["SIGINT", 130, "interrupted"],
      ["SIGTERM", 143, "terminated"],
    ] as const) {
      await withDirectory(async (directory) => {
        await using peer = startPeer(directory, "serve", "--json");
        await peer.seen('"serving"');
        peer.process.kill(signal);
        const { exitCode, stdout } = await peer.ended;
        const events = parseLines(stdout);
        for (const event of events) expect([event, validate(event)]).toEqual([event, ""]);
        expect(exitCode).toBe(code);
        expect(events.map((event) => event.type)).toEqual(["start", "serving", "summary"]);
        expect(events.at(-1)).toMatchObject({ result, exitCode: code });
      });
    }
  }, 30_000);

  test("bun peer CONFIG.json reads lines: an error is told and the next line is read, until quit", async () => {
    await withDirectory(async (directory) => {
      const config = join(directory, "c.json");
      const service = join(directory, "old");
      await writeFile(
        config,
        JSON.stringify({ "self.service": service, "self.host": "127.0.0.1", "self.port": "0" }),
      );
      await using peer = startPeer(directory, config);
      await peer.seen("serving 0 torrents on 127.0.0.1:");
      peer.process.stdin.write(
        '\n  \nnonsense\nupload "only one\ndownload none.json "a b"\nhelp\n',
      );
      await peer.process.stdin.flush();
      await peer.seen("A path with blanks goes into quotes.");
      peer.process.stdin.write("quit\n");
      await peer.process.stdin.flush();
      const { exitCode, stderr } = await peer.ended;
      expect(exitCode).toBe(0);
      const errors = stderr.split("\n").filter((line) => line.startsWith("ERROR"));
      expect(errors.map((line) => line.split(";")[0])).toEqual([
        'ERROR code=2 name=usage: Cannot read the line: unknown command "nonsense", type help for those there are',
        'ERROR code=2 name=usage: Cannot read the line: a " is not closed',
        "ERROR code=4 name=not-found: Cannot read torrent none.json: no such file",
      ]);
    });
  }, 30_000);
});
