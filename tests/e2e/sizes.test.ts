import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { lstat, mkdir, open, readFile, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { untilWritten } from "../support/part-file.ts";
import { findRoom, hashOf, writeSeeded } from "../support/temp.ts";
import { MIB, World } from "../support/world.ts";

const TEST_MS = 90_000;
const GIB = 1024 * MIB;
/** The source is all holes, the download is written. */
const HUGE_BYTES = 6 * GIB;
const roomForHuge = await findRoom(HUGE_BYTES + GIB);
/** Where no tracker listens. */
const NOWHERE = "http://127.0.0.1:1";

const SIZES: readonly {
  readonly what: string;
  readonly bytes: number;
  readonly partSize: string;
  readonly parts: number;
}[] = [
  { what: "no bytes", bytes: 0, partSize: "auto", parts: 0 },
  { what: "1 byte", bytes: 1, partSize: "auto", parts: 1 },
  { what: "exactly one part", bytes: 256 * 1024, partSize: "256K", parts: 1 },
  { what: "one part and a byte", bytes: 256 * 1024 + 1, partSize: "256K", parts: 2 },
  { what: "parts of 1 byte", bytes: 3001, partSize: "1", parts: 3001 },
  { what: "parts of an odd length", bytes: 100_003, partSize: "777", parts: 129 },
  { what: "parts of 16 MiB", bytes: 40 * MIB + 5, partSize: "16M", parts: 3 },
];

describe("peer upload and download of every size", () => {
  test(
    "peer transfers files from 0 bytes on, in parts from 1 byte to 16 MiB",
    async () => {
      await using world = await World.create();
      for (const [at, { what, bytes, partSize, parts }] of SIZES.entries()) {
        const name = `size-${at}`;
        const { seeder, file, torrentPath, uploaded } = await world.seed({
          name,
          bytes,
          seed: at,
          args: ["--part-size", partSize],
        });
        expect([what, uploaded.size, uploaded.parts]).toEqual([what, bytes, parts]);
        const summary = await world.download(`of-${name}`, torrentPath).summary();
        expect([what, summary.bytes, summary.badParts]).toEqual([what, bytes, 0]);
        expect(await hashOf(world.target(`of-${name}`))).toBe(await hashOf(file));
        await seeder.kill("SIGINT");
      }
    },
    TEST_MS,
  );

  test(
    "peer with --max-memory at its least moves the largest parts, from several sources at once, and refuses less",
    async () => {
      await using world = await World.create();
      const args = ["--max-memory", "24M"];
      const bytes = 100 * MIB + 5;
      const { file, torrentPath } = await world.seed({
        bytes,
        args: [...args, "--part-size", "16M"],
      });
      const download = (name: string) =>
        world.download(name, torrentPath, { args: [...args, "--serve"] });
      const leechers = ["one", "two", "three"].map(download);
      for (const leecher of leechers) await leecher.event("downloaded", undefined, TEST_MS);
      for (const name of ["one", "two", "three"])
        expect(await hashOf(world.target(name))).toBe(await hashOf(file));
      const refused = await world.peer("four", ["list", "--max-memory", "23M"]).ended();
      expect(refused.exitCode).toBe(2);
    },
    TEST_MS,
  );

  test.skipIf(roomForHuge === undefined)(
    "peer transfers a sparse file of 6 GiB",
    async () => {
      const bytes = HUGE_BYTES;
      await using world = await World.create({ parent: roomForHuge ?? "" });
      const file = world.at("huge.bin");
      await writeFile(file, "");
      await truncate(file, bytes);
      const marks = [0, 4 * GIB - 5, bytes / 2, bytes - 10];
      const handle = await open(file, "r+");
      for (const [at, mark] of marks.entries()) await handle.write(`mark ${at} !!!`, mark);
      await handle.close();
      await truncate(file, bytes);
      const { torrentPath } = await world.upload(file, { args: ["--part-size", "16M"] });
      const leecher = world.download("leecher", torrentPath);
      expect(await leecher.exited).toBe(0);
      expect(await leecher.summary()).toMatchObject({ bytes, badParts: 0 });
      const target = world.target("leecher");
      expect((await stat(target)).size).toBe(bytes);
      for (const mark of [...marks, 5 * GIB]) {
        expect([mark, await readAt(target, mark)]).toEqual([mark, await readAt(file, mark)]);
      }
    },
    300_000,
  );

  test(
    "peer transfers names with blanks and of any script, also into another directory",
    async () => {
      await using world = await World.create();
      const name = "Größe und Maß, 大きい ファイル 🚚.bin";
      await mkdir(world.at("von hier"));
      await mkdir(world.at("nach dort", "ünter"), { recursive: true });
      const file = await writeSeeded(world.at("von hier", name), 300_000, 3);
      const { torrentPath, uploaded } = await world.upload(file);
      expect(uploaded.name).toBe(name);
      expect(uploaded.next).toEndWith(`peer download '${name}.torrent.json' '${name}'`);
      const torrent = JSON.parse(await readFile(torrentPath, "utf8"));
      expect(torrent.Name).toBe(name);
      const target = world.at("nach dort", "ünter", "Ziel datei.bin");
      await world.download("leecher", torrentPath, { target }).summary();
      expect(await hashOf(target)).toBe(await hashOf(file));
      // A path that is relative starts where the command is typed.
      await world.download("near", torrentPath, { target: `nach dort/${name}` }).summary();
      expect(await hashOf(world.at("nach dort", name))).toBe(await hashOf(file));
      const renamed = world.raw("list", ["upload", file, world.at("n.json"), "--name", "ñ 2.bin"], {
        env: { PEER_TRACKER: world.tracker.url },
      });
      await renamed.waitFor(({ stdout }) => stdout.includes("SUCCESSFUL UPLOAD"), "the upload");
      expect(JSON.parse(await readFile(world.at("n.json"), "utf8")).Name).toBe("ñ 2.bin");
    },
    TEST_MS,
  );
});

describe("peer download and what stands at its target", () => {
  test(
    "OUT-1: peer download finds an identical file without any traffic, and refuses a different one",
    async () => {
      await using world = await World.create();
      const { file, torrentPath } = await world.seed({ bytes: MIB });
      const alone = ["--tracker", NOWHERE];
      const same = world.download("same", torrentPath, { target: file, args: alone });
      expect(await same.summary()).toMatchObject({ bytes: 0, bytesPerPeer: {} });
      expect(same.eventsOf("downloaded")[0]?.alreadyThere).toBe(true);
      const target = await writeSeeded(world.target("other"), MIB, 99);
      const before = await hashOf(target);
      const other = world.download("other", torrentPath);
      expect(await other.summary(10)).toMatchObject({ result: "exists", bytes: 0 });
      expect(await hashOf(target)).toBe(before);
      await world.download("other", torrentPath, { args: ["--overwrite"] }).summary();
      expect(await hashOf(target)).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "OUT-1: peer download writes to no directory, link or pipe",
    async () => {
      await using world = await World.create();
      const { torrentPath } = await world.seed({ bytes: MIB });
      await mkdir(world.at("directory"));
      const victim = await writeSeeded(world.at("victim"), 100, 1);
      await symlink(victim, world.at("link"));
      await symlink(world.at("nothing"), world.at("dangling"));
      expect(await Bun.spawn(["mkfifo", world.at("pipe")]).exited).toBe(0);
      const before = await hashOf(victim);
      for (const name of ["directory", "link", "dangling", "pipe"]) {
        for (const args of [[], ["--overwrite"]]) {
          const kind = (await lstat(world.at(name))).mode;
          const leecher = world.download(name, torrentPath, { target: world.at(name), args });
          expect([name, (await leecher.summary(2)).result]).toEqual([name, "usage"]);
          expect((await lstat(world.at(name))).mode).toBe(kind);
          expect(existsSync(world.at(`${name}.part`))).toBe(false);
        }
      }
      expect(await hashOf(victim)).toBe(before);
      expect(existsSync(world.at("nothing"))).toBe(false);
    },
    TEST_MS,
  );

  test(
    "RES-4: peer download of a target that another one works on ends with 11 and names it",
    async () => {
      await using world = await World.create();
      const { file, torrentPath } = await world.seed({ args: ["--limit-up", "4M"] });
      const first = world.download("leecher", torrentPath);
      await untilWritten(`${world.target("leecher")}.part`, MIB);
      const second = world.download("leecher", torrentPath);
      expect(await second.summary(11)).toMatchObject({ result: "busy", bytes: 0 });
      expect(second.eventsOf("error")[0]?.message).toContain(`process ${first.pid} `);
      await first.summary();
      expect(await hashOf(world.target("leecher"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );
});

async function readAt(path: string, offset: number): Promise<string> {
  const file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(10), 0, 10, offset);
  await file.close();
  return buffer.toString("latin1", 0, bytesRead);
}
