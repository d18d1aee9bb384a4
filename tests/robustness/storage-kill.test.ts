import { describe, expect, test } from "bun:test";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Random } from "../../peer/clock.ts";
import { systemClock } from "../../peer/clock.ts";
import { systemDisk } from "../../peer/storage/system-disk.ts";
import { inspectTarget } from "../../peer/storage/target.ts";
import { Bitfield } from "../../protocol/bitfield.ts";
import { type Sample, sample, seededRandom, tempDir } from "../peer/storage/fixtures.ts";

const WRITER = join(import.meta.dir, "storage-writer.ts");
/** More only make the long run: every round is a process. */
const ROUNDS = Number(process.env.STORAGE_KILL_ROUNDS ?? 60);

interface Told {
  readonly recovered: Bitfield | undefined;
  readonly reason: string;
  readonly wrote: readonly number[];
  readonly isPublished: boolean;
}

/** Runs a writer until it ends, kills itself, or has said `linesMax` lines and is killed. */
async function runWriter(
  dir: string,
  from: Sample,
  killAt: number,
  linesMax: number,
): Promise<Told> {
  const { fileBytes, partBytes } = from.torrent.geometry;
  const args = [dir, fileBytes, partBytes, killAt].map(String);
  const child = Bun.spawn([process.execPath, WRITER, ...args], { stdout: "pipe", stderr: "pipe" });
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true });
    if (text.split("\n").length > linesMax) child.kill("SIGKILL");
  }
  await child.exited;
  expect(await new Response(child.stderr).text()).toBe("");
  return parse(text, from);
}

function parse(text: string, from: Sample): Told {
  // The last piece is what a kill cut in two, or empty.
  const lines = text.split("\n").slice(0, -1);
  const [, hex, reason = "none"] = (lines[0] ?? "").split(" ");
  const recovered =
    hex === undefined
      ? undefined
      : Bitfield.parse(from.torrent.geometry.partCount, Uint8Array.fromHex(hex));
  const wrote = lines
    .filter((line) => line.startsWith("wrote "))
    .map((line) => Number(line.slice(6)));
  return { recovered, reason, wrote, isPublished: lines.includes("published") };
}

/** What must be found again, and what was. */
class Ledger {
  readonly #from: Sample;
  readonly #dir: string;
  readonly #written: Set<number> = new Set();
  lost = 0;
  falseHaves = 0;

  constructor(dir: string, from: Sample) {
    this.#dir = dir;
    this.#from = from;
  }

  get written(): number {
    return this.#written.size;
  }

  async check(told: Told): Promise<void> {
    const { recovered } = told;
    if (recovered !== undefined) {
      this.lost += [...this.#written].filter((part) => !recovered.has(part)).length;
      this.falseHaves += await this.#countFalse(recovered, told.isPublished);
      for (const part of this.#from.torrent.geometry.parts()) {
        if (recovered.has(part)) this.#written.add(part);
      }
    }
    for (const part of told.wrote) this.#written.add(part);
  }

  async #countFalse(recovered: Bitfield, isPublished: boolean): Promise<number> {
    const name = isPublished ? "target" : "target.part";
    const work = await readFile(join(this.#dir, name)).catch(() =>
      readFile(join(this.#dir, "target")),
    );
    const { geometry } = this.#from.torrent;
    return [...geometry.parts()].filter((part) => {
      const { offset, length } = geometry.partRange(part);
      const expected = this.#from.content.subarray(offset, offset + length);
      return recovered.has(part) && !work.subarray(offset, offset + length).equals(expected);
    }).length;
  }
}

/** Kills one download again and again, at most `roundsMax` times, until it is through. */
async function killUntilDone(from: Sample, random: Random, roundsMax: number) {
  await using dir = await tempDir();
  const ledger = new Ledger(dir.path, from);
  let [rounds, unclean, isThrough] = [0, 0, false];
  for (; rounds < roundsMax && !isThrough; rounds++) {
    const told = await runWriter(dir.path, from, 0, 1 + random.below(60));
    await ledger.check(told);
    if (told.reason === "unclean") unclean++;
    isThrough = await isDone(dir.path, from);
  }
  const { lost, falseHaves, written } = ledger;
  return { rounds, unclean, isDone: isThrough, lost, falseHaves, parts: written };
}

async function silenceIntent(journalDir: string): Promise<void> {
  const names = await readdir(journalDir);
  for (const name of names.filter((one) => one.endsWith(".intent"))) {
    await writeFile(join(journalDir, name), new Uint8Array(2));
  }
}

async function isDone(dir: string, from: Sample): Promise<boolean> {
  return (
    (await inspectTarget(systemDisk, systemClock, from.torrent, join(dir, "target"))).type ===
    "identical"
  );
}

describe("RES-5", () => {
  test(`RES-5: openDownload finds every part whose write returned again after kill -9 at ${ROUNDS} random points`, async () => {
    const random = seededRandom(20_260_101);
    const from = sample({ fileBytes: 3_000_000, partBytes: 20_000 });
    const total = { rounds: 0, parts: 0, finished: 0, unclean: 0 };
    while (total.rounds < ROUNDS) {
      const chain = await killUntilDone(from, random, ROUNDS - total.rounds);
      expect([chain.lost, chain.falseHaves]).toEqual([0, 0]);
      total.rounds += chain.rounds;
      total.parts += chain.parts;
      total.finished += chain.isDone ? 1 : 0;
      total.unclean += chain.unclean;
    }
    expect(total.parts).toBeGreaterThan(0);
    expect(total.finished).toBeGreaterThan(0);
    expect(total.unclean).toBeGreaterThan(ROUNDS / 4);
  }, 300_000);

  test("RES-5's control: with an intent that says nothing, parts are lost, and this test sees it", async () => {
    const from = sample({ fileBytes: 3_000_000, partBytes: 300_000 });
    let lost = 0;
    for (let round = 0; round < 20 && lost === 0; round++) {
      await using dir = await tempDir();
      const ledger = new Ledger(dir.path, from);
      await ledger.check(await runWriter(dir.path, from, 0, 3));
      await silenceIntent(join(dir.path, "state"));
      if (await isDone(dir.path, from)) continue;
      await ledger.check(await runWriter(dir.path, from, 0, 1));
      lost += ledger.lost;
    }
    expect(lost).toBeGreaterThan(0);
  }, 60_000);

  test("RES-5: openDownload finds every part again after kill -9 before each call to the disk", async () => {
    const from = sample({ fileBytes: 2_400_000, partBytes: 300_000 });
    let killAt = 1;
    let isThrough = false;
    for (; !isThrough && killAt < 400; killAt += 1) {
      await using dir = await tempDir();
      const ledger = new Ledger(dir.path, from);
      const killed = await runWriter(dir.path, from, killAt, Number.POSITIVE_INFINITY);
      await ledger.check(killed);
      isThrough = killed.isPublished;
      if (!(await isDone(dir.path, from))) {
        await ledger.check(await runWriter(dir.path, from, 0, Number.POSITIVE_INFINITY));
      }
      expect([killAt, ledger.lost, ledger.falseHaves]).toEqual([killAt, 0, 0]);
      expect([killAt, await isDone(dir.path, from)]).toEqual([killAt, true]);
    }
    expect(isThrough).toBe(true);
    expect(killAt).toBeGreaterThan(40);
  }, 300_000);
});
