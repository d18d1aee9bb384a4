import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { open, readdir, readFile } from "node:fs/promises";
import { ProcessMeter } from "../bench/process-meter.ts";
import { piped, readPipe } from "../support/piped.ts";
import { findRoom, hashOf, seededBytes } from "../support/temp.ts";
import { MIB, World } from "../support/world.ts";

const TEST_MS = 120_000;
const isLinux = process.platform === "linux";
/** Where no tracker listens. */
const NOWHERE = "http://127.0.0.1:1";

/** What goes through the pipe of the memory test, in MiB; 4096 for a long run. */
const MEMORY_MIB = Number(process.env.PIPE_MIB ?? 256);
/** What arrived and was not read, with the default of --max-memory: three quarters of it. */
const KEPT_BYTES_MAX = 48 * MIB;
/** Resident at its peak, the runtime's 50 MiB included: 130 to 145 were measured. */
const PEAK_MIB_MAX = 178;

/** Nothing of it is left: no file, no journal, not even a data directory. */
async function expectNoTrace(world: World, name: string): Promise<void> {
  expect(existsSync(world.dataDir(name))).toBe(false);
  expect((await readdir(world.at())).filter((file) => /\.part|^-/.test(file))).toEqual([]);
}

/** Writes so many bytes, never all of them in memory.
 * @returns the path */
async function writeLarge(path: string, bytes: number): Promise<string> {
  await using file = await open(path, "w");
  for (let at = 0; at < bytes; at += 64 * MIB)
    await file.write(seededBytes(at, Math.min(64 * MIB, bytes - at)));
  return path;
}

function peakMibOf(pid: number): number {
  const meter = new ProcessMeter(pid);
  meter.sample();
  return meter.usage.peakMib;
}

const SIZES: readonly {
  readonly what: string;
  readonly bytes: number;
  readonly partSize: string;
  readonly args?: readonly string[];
}[] = [
  { what: "no bytes", bytes: 0, partSize: "auto" },
  { what: "1 byte", bytes: 1, partSize: "auto" },
  { what: "parts of 1 byte", bytes: 3001, partSize: "1" },
  { what: "parts of an odd length", bytes: 1_000_003, partSize: "777" },
  { what: "parts of 256 bytes", bytes: 9 * MIB + 5, partSize: "256" },
  { what: "parts of 16 MiB", bytes: 100 * MIB + 5, partSize: "16M" },
  {
    what: "parts that fill the least memory",
    bytes: 40 * MIB + 5,
    partSize: "16M",
    args: ["--max-memory", "24M"],
  },
];

describe("peer download into a pipe", () => {
  test(
    "peer download - writes every size of file and part, from several peers, and leaves no trace",
    async () => {
      await using world = await World.create();
      for (const [at, { what, bytes, partSize, args = [] }] of SIZES.entries()) {
        const name = `size-${at}`;
        const { seeder, file, torrentPath } = await world.seed({
          name,
          bytes,
          seed: at,
          args: ["--part-size", partSize],
        });
        await world.copyTo(`second-${at}`, torrentPath);
        const { peer: second } = await world.serve(`second-${at}`);
        const { peer, bytes: out } = await piped(world, `pipe-${at}`, torrentPath, args);
        const summary = await peer.summary();
        expect([what, out.equals(await readFile(file))]).toEqual([what, true]);
        expect([what, summary.bytes, summary.badParts]).toEqual([what, bytes, 0]);
        expect(peer.eventsOf("downloaded")).toMatchObject([{ file: "-" }]);
        await expectNoTrace(world, `pipe-${at}`);
        await seeder.kill("SIGINT");
        await second.kill("SIGINT");
      }
    },
    TEST_MS,
  );

  test(
    "peer download - fetches from several peers at once, and writes SUCCESSFUL DOWNLOAD to standard error",
    async () => {
      await using world = await World.create();
      const bytes = 16 * MIB;
      const slow = ["--limit-up", "6M"];
      const { file, torrentPath } = await world.seed({ bytes, args: slow });
      await world.copyTo("second", torrentPath);
      await world.serve("second", slow);
      const { peer, bytes: out } = await piped(world, "pipe", torrentPath);
      expect(out.equals(await readFile(file))).toBe(true);
      const { bytesPerPeer } = await peer.summary();
      expect(Object.values(bytesPerPeer).toSorted()).toHaveLength(2);
      for (const share of Object.values(bytesPerPeer)) expect(share).toBeGreaterThan(bytes / 8);
      const target = await open(world.at("redirected"), "w");
      const text = world.raw("text", ["download", torrentPath, "-"], {
        env: { PEER_TRACKER: world.tracker.url },
        stdout: target.fd,
      });
      expect(await text.exited).toBe(0);
      await target.close();
      expect(text.stderr).toMatch(/^SUCCESSFUL DOWNLOAD$/m);
      expect(await hashOf(world.at("redirected"))).toBe(await hashOf(file));
    },
    TEST_MS,
  );

  test(
    "peer download - writes exactly the bytes of a range, and fetches no part beside it",
    async () => {
      await using world = await World.create();
      const [bytes, partBytes] = [3 * MIB + 17, 100_000];
      const { file, torrentPath } = await world.seed({ bytes, args: ["--part-size", "100000"] });
      const content = await readFile(file);
      const ranges: readonly (readonly [number, number | undefined])[] = [
        [0, undefined],
        [0, 1],
        [partBytes, partBytes],
        [partBytes - 1, 2],
        [1_234_567, 1_000_001],
        [bytes - 1, undefined],
        [bytes - partBytes, undefined],
      ];
      for (const [at, [offset, length]] of ranges.entries()) {
        const args = [
          "--offset",
          `${offset}`,
          ...(length === undefined ? [] : ["--length", `${length}`]),
        ];
        const { peer, bytes: out } = await piped(world, `range-${at}`, torrentPath, args);
        const summary = await peer.summary();
        const end = offset + (length ?? bytes - offset);
        expect([args, out.equals(content.subarray(offset, end))]).toEqual([args, true]);
        const [first, last] = [Math.floor(offset / partBytes), Math.ceil(end / partBytes)];
        const fetched = Math.min(last * partBytes, bytes) - first * partBytes;
        expect([args, summary.bytes]).toEqual([args, fetched]);
        expect(peer.eventsOf("progress").at(-1)?.bytesTotal).toBe(end - offset);
      }
      // Nothing is wanted of it, and nobody asked: so a program that goes on with what it has needs no special case.
      const nothing = ["--offset", `${bytes}`, "--tracker", NOWHERE];
      const { peer: content0, bytes: none } = await piped(world, "none", torrentPath, nothing);
      expect([none.length, (await content0.summary()).bytes]).toEqual([0, 0]);
    },
    TEST_MS,
  );

  test(
    "peer download - refuses a range that is not in the file, and flags that do not fit, with one line and no data",
    async () => {
      await using world = await World.create();
      const { torrentPath } = await world.seed({ bytes: 1000 });
      const wrong = [
        ["--offset", "1001"],
        ["--offset", "1000", "--length", "1"],
        ["--length", "1001"],
        ["--offset", "x"],
        ["--length", "-1"],
        ["--serve"],
        ["--overwrite"],
        ["--order", "rarest"],
      ];
      for (const [at, args] of wrong.entries()) {
        const { peer, bytes } = await piped(world, `wrong-${at}`, torrentPath, args);
        expect([args, (await peer.summary(2)).result, bytes.length]).toEqual([args, "usage", 0]);
        const place = ["download", torrentPath, "-", ...args];
        const { exitCode, stdout, stderr } = await world.raw("text", place).ended();
        expect([args, exitCode, stdout]).toEqual([args, 2, ""]);
        expect(stderr.match(/^ERROR code=2 name=usage: .+$/gm)).toHaveLength(1);
      }
    },
    TEST_MS,
  );
});

describe("peer download and the reader of its pipe", () => {
  test.skipIf(!isLinux)(
    `peer download - of ${MEMORY_MIB} MiB keeps its memory bounded, however slow its reader`,
    async () => {
      const bytes = MEMORY_MIB * MIB;
      await using world = await World.create({ parent: (await findRoom(2 * bytes)) ?? "" });
      const file = await writeLarge(world.at("large.bin"), bytes);
      const { torrentPath } = await world.upload(file);
      const { peer, reader } = await world.pipe("pipe", torrentPath);
      const hash = createHash("sha256");
      const stepBytes = Math.max(32 * MIB, bytes / 32);
      let keptBytes = 0;
      while (reader.bytesRead < bytes) {
        // He sleeps until nothing more can come; what he has not read stands in the peer's memory.
        const full = Math.min(bytes, reader.bytesRead + KEPT_BYTES_MAX - 8 * MIB);
        await peer.waitFor(() => peer.bytesDone >= full, `${full} bytes`);
        keptBytes = Math.max(keptBytes, peer.bytesDone - reader.bytesRead);
        await reader.take(stepBytes, (chunk) => hash.update(chunk));
      }
      const peakMib = peakMibOf(peer.pid);
      await readPipe(reader);
      expect((await peer.summary()).bytes).toBe(bytes);
      expect(hash.digest("hex")).toBe(await hashOf(file));
      // What the pipe itself holds, and the piece that is being written into it.
      expect(keptBytes).toBeLessThan(KEPT_BYTES_MAX + MIB);
      expect(keptBytes).toBeGreaterThan(KEPT_BYTES_MAX / 2);
      // Less than the runtime alone has would be no measurement.
      expect(peakMib).toBeGreaterThan(30);
      expect(peakMib).toBeLessThan(PEAK_MIB_MAX);
      if (process.env.PIPE_MIB !== undefined)
        process.stderr.write(`${MEMORY_MIB} MiB: peak ${peakMib} MiB, kept ${keptBytes} bytes\n`);
    },
    TEST_MS * Math.max(1, MEMORY_MIB / 256),
  );

  test.skipIf(!isLinux)(
    "peer download - with more memory keeps more: it is that which bounds it",
    async () => {
      await using world = await World.create();
      const bytes = 256 * MIB;
      const { torrentPath } = await world.seed({ bytes });
      const { peer, reader } = await world.pipe("pipe", torrentPath, ["--max-memory", "512M"]);
      await peer.waitFor(() => peer.bytesDone === bytes, "all bytes, none of them read");
      expect(reader.bytesRead).toBe(0);
      expect(peakMibOf(peer.pid)).toBeGreaterThan(PEAK_MIB_MAX);
      expect(await peer.kill("SIGTERM")).toBe(143);
    },
    TEST_MS,
  );

  test(
    "peer download - waits for a reader who takes nothing, and neither gives up nor says that anything is missing",
    async () => {
      await using world = await World.create();
      const bytes = 80 * MIB;
      const { file, torrentPath } = await world.seed({ bytes });
      const args = ["--stall-timeout", "500ms"];
      const { peer, reader } = await world.pipe("pipe", torrentPath, args);
      // One a second at most: far beyond the stall timeout, and beyond the 5 s after which it would be said why.
      const behind = () => peer.eventsOf("progress").filter(({ readerBehind }) => readerBehind);
      await peer.waitFor(() => behind().length >= 9, "9 seconds of a reader who takes nothing");
      expect(peer.eventsOf("waiting")).toEqual([]);
      expect(peer.eventsOf("peer").filter(({ event }) => event !== "joined")).toEqual([]);
      expect(peer.bytesDone).toBeLessThan(bytes);
      expect((await readPipe(reader)).equals(await readFile(file))).toBe(true);
      await peer.summary();
    },
    TEST_MS,
  );

  test(
    "peer download - ends quietly with 141 when its reader goes away",
    async () => {
      await using world = await World.create();
      const { torrentPath } = await world.seed({ bytes: 16 * MIB });
      const { peer, reader } = await world.pipe("pipe", torrentPath);
      expect((await reader.read(1000)).length).toBe(1000);
      await reader[Symbol.asyncDispose]();
      expect((await peer.summary(141)).result).toBe("pipe-closed");
      expect(peer.eventsOf("error")).toEqual([]);
      expect(peer.stderr).not.toContain("ERROR");
    },
    TEST_MS,
  );

  test(
    "peer download - ends at once when it is told to, though its reader takes nothing",
    async () => {
      await using world = await World.create();
      const { torrentPath } = await world.seed({ bytes: 80 * MIB });
      for (const [signal, exitCode] of [
        ["SIGINT", 130],
        ["SIGTERM", 143],
      ] as const) {
        const { peer } = await world.pipe(signal, torrentPath);
        await peer.reached(8 * MIB);
        await peer.kill(signal);
        expect((await peer.summary(exitCode)).exitCode).toBe(exitCode);
      }
      const { peer, reader } = await world.pipe("late", torrentPath, ["--timeout", "2s"]);
      expect((await peer.summary(13)).result).toBe("timeout");
      expect(reader.bytesRead).toBe(0);
    },
    TEST_MS,
  );

  test.skipIf(!existsSync("/dev/full"))(
    "peer download - to a full disk ends with 9, not with success",
    async () => {
      await using world = await World.create();
      const { torrentPath } = await world.seed({ bytes: MIB });
      const full = await open("/dev/full", "w");
      const peer = world.peer("full", ["download", torrentPath, "-"], { stdout: full.fd });
      expect((await peer.summary(9)).result).toBe("no-space");
      await full.close();
    },
    TEST_MS,
  );
});
