import { describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createMeeting, startSeeder } from "../bench/bittorrent.ts";
import type { Client, Scene } from "../bench/client.ts";
import { measure } from "../bench/measure.ts";
import { spawn } from "../bench/spawn.ts";
import { type Contender, takeTurns } from "../bench/turns.ts";

/** Programs that are measured may die; what they do to the bench is shown with processes that do. */

const SEED = "exec sleep 1000";
const COPY = 'cp "$1" "$2" && echo COMPLETE && exec sleep 1000';
const DIE = "kill -SEGV $$";

describe("bench turns", () => {
  test("bench names a rival that dies, and keeps the rounds of all others", async () => {
    const copies = ["copies", COPY, DIE, COPY];
    const { rates, said } = await turns([["steady", COPY, COPY, COPY], copies]);
    expect(rates).toEqual({ steady: 3, copies: 2 });
    expect(said).toEqual([
      expect.stringMatching(/^- copies failed in round 2 .*: sh ended by SIGSEGV without /),
    ]);
  });

  test("bench leaves out a rival without any figure", async () => {
    const { rates, said } = await turns([
      ["dies", DIE, DIE],
      ["steady", COPY, COPY],
    ]);
    expect(rates).toEqual({ steady: 2 });
    expect(said).toHaveLength(2);
  });

  test("bench ends where one of ours dies, with what it died of", async () => {
    const dying = turns([["ours", DIE]], { areOurs: true });
    await expect(dying).rejects.toThrow("sh ended by SIGSEGV without /COMPLETE/");
  });

  test("bench does not wait for downloaders whose seeder has died", async () => {
    const { said } = await turns([["lone", "exec sleep 1000"]], { seed: DIE });
    expect(said).toEqual([expect.stringContaining("Its seeder ended by SIGSEGV")]);
  });

  test("bench does not wait for a seeder that dies before it announces itself", async () => {
    await inScene(async (scene) => {
      const meeting = await createMeeting(scene);
      const started = startSeeder(meeting, spawn(["sh", "-c", DIE]));
      await expect(started).rejects.toThrow("Its seeder ended by SIGSEGV");
    });
  });
});

/** Programs of shell: a name, then what its downloader does in each round. */
async function turns(
  programs: readonly (readonly string[])[],
  { seed = SEED, areOurs = false } = {},
): Promise<{ readonly rates: Readonly<Record<string, number>>; readonly said: readonly string[] }> {
  const said: string[] = [];
  const contenders = programs.map(([name = "", ...scripts]) => ({
    name,
    isOurs: areOurs,
    scripts,
  }));
  const results = await inScene((scene) =>
    takeTurns<(typeof contenders)[number] & Contender, number>(
      contenders,
      contenders[0]?.scripts.length ?? 0,
      async ({ name, scripts }, { round, add }) => {
        const client = shellClient(name, { seed, download: scripts[round - 1] ?? "" });
        add((await measure(client, scene, 1)).mibPerSecond);
      },
      (line) => said.push(line),
    ),
  );
  const rates = results.map(({ contender, figures }) => [contender.name, figures.length] as const);
  return { rates: Object.fromEntries(rates), said };
}

function shellClient(
  name: string,
  scripts: { readonly seed: string; readonly download: string },
): Client {
  return {
    name,
    settings: "",
    version: async () => "1",
    start: async (scene) => {
      const seeder = spawn(["sh", "-c", scripts.seed]);
      return {
        seeder,
        startLeecher: (n) => {
          const target = join(scene.directory, `file${n}`);
          const started = spawn(["sh", "-c", scripts.download, "sh", scene.file, target]);
          return { ...started, target, done: started.match(/COMPLETE/).then(() => undefined) };
        },
        stop: () => seeder.stop(),
      };
    },
  };
}

async function inScene<Result>(work: (scene: Scene) => Promise<Result>): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), "bench-turns-"));
  try {
    const file = join(directory, "file");
    await Bun.write(file, new Uint8Array(FILE_BYTES));
    return await work({ directory, file, fileBytes: FILE_BYTES, partBytes: FILE_BYTES });
  } finally {
    await rm(directory, { recursive: true });
  }
}

const FILE_BYTES = 1 << 16;
