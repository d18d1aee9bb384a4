import { describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { makeTempDirectory } from "../support/temp.ts";
import { MIB, World } from "../support/world.ts";

/** How often the code of a peer copies a byte on its way through: a figure that no load on the machine changes. Real peers
 * run with a preload that counts; what is done once a process is taken out by comparing a small file with a larger one. */

const TEST_MS = 120_000;
const SMALL_MIB = 8;
const LARGE_MIB = 40;

/** From the socket's chunk to the part's place. */
const RECEIVE_COPIES = 1;
/** From the file to the socket. */
const SEND_COPIES = 0;
/** Heads of frames and messages: a ten-thousandth to receive, two to send were measured. */
const SLACK = 0.05;

const METER = join(import.meta.dir, "../support/copy-meter.ts");
const ONE_COPY_MORE = join(import.meta.dir, "../support/one-copy-more.ts");

// The preload needs the sources: an executable takes none.
const isFromSource = (process.env.PEER_CMD ?? "") === "";

interface Copies {
  readonly received: number;
  readonly sent: number;
}

describe("copies per byte", () => {
  test.skipIf(!isFromSource).each(["tls", "plain"])(
    "peer copies a byte once that it receives over %s, and no byte that it sends",
    async (transport) => {
      const { received, sent } = await copiesPerByte(transport, [METER]);
      // The one copy must be seen, or nothing is measured.
      expect(received).toBeGreaterThanOrEqual(RECEIVE_COPIES);
      expect(received).toBeLessThan(RECEIVE_COPIES + SLACK);
      expect(sent).toBeGreaterThanOrEqual(SEND_COPIES);
      expect(sent).toBeLessThan(SEND_COPIES + SLACK);
    },
    TEST_MS,
  );

  test.skipIf(!isFromSource)(
    "a peer that copies once more in each direction is above those bounds",
    async () => {
      const { received, sent } = await copiesPerByte("plain", [METER, ONE_COPY_MORE]);
      expect(received).toBeGreaterThan(RECEIVE_COPIES + 1 - SLACK);
      expect(sent).toBeGreaterThan(SEND_COPIES + 1 - SLACK);
    },
    TEST_MS,
  );

  test("the meter counts every way of copying, and none of looking at the same bytes", async () => {
    const [bytes, shared] = ["const b = new Uint8Array(1000)", "new SharedArrayBuffer(1000)"];
    const copies = [
      "new Uint8Array(2000).set(b, 7)",
      "b.slice()",
      "b.slice(-1000, 2000)",
      "new Uint8Array(2000).copyWithin(1000, 0, 1000)",
      "b.buffer.slice(0)",
      `${shared}.slice(0)`,
      "new Uint8Array(b)",
      "Uint8Array.from(b)",
      "Buffer.from(b)",
      "Buffer.concat([b.subarray(0, 400), b.subarray(400)])",
      "Buffer.from(b.buffer).copy(new Uint8Array(1000))",
      "new (class extends Uint8Array {})(b)",
      "structuredClone(b)",
    ];
    const looks = [
      "b.subarray(1)",
      "new Uint8Array(b.buffer, 1)",
      `new Uint8Array(${shared})`,
      "Buffer.from(b.buffer)",
      "Buffer.from(b.buffer).slice(0, 10)",
      "new Uint8Array(1000)",
      "b.buffer.transfer(0)",
    ];
    for (const [code, moved] of [
      ...copies.map((code) => [code, 1000] as const),
      ...looks.map((code) => [code, 0] as const),
    ]) {
      expect([code, await movedBy(`${bytes}; ${code};`)]).toEqual([code, moved]);
    }
  });
});

/** @returns bytes that a program moves, as the meter says */
async function movedBy(program: string): Promise<number> {
  await using directory = await makeTempDirectory();
  const file = directory.at("moved");
  const child = Bun.spawn([process.execPath, `--preload=${METER}`, "-e", program], {
    env: { COPY_METER_FILE: file },
    stdio: ["ignore", "inherit", "inherit"],
  });
  expect(await child.exited).toBe(0);
  return Number(await readFile(file, "utf8"));
}

/** @param preloads into both peers */
async function copiesPerByte(transport: string, preloads: readonly string[]): Promise<Copies> {
  await using world = await World.create();
  const before = await movedBytes(world, SMALL_MIB, { transport, preloads });
  const after = await movedBytes(world, LARGE_MIB, { transport, preloads });
  const bytes = (LARGE_MIB - SMALL_MIB) * MIB;
  return {
    received: (after.received - before.received) / bytes,
    sent: (after.sent - before.sent) / bytes,
  };
}

/** Uploads and downloads a new file of so many MiB.
 * @returns bytes that the downloader moved, and the uploader */
async function movedBytes(
  world: World,
  mib: number,
  options: { readonly transport: string; readonly preloads: readonly string[] },
): Promise<Copies> {
  const name = `file-${mib}`;
  const flags = ["--transport", options.transport];
  const envOf = (who: string) => ({
    BUN_OPTIONS: options.preloads.map((path) => `--preload=${path}`).join(" "),
    COPY_METER_FILE: world.at(`${name}.${who}`),
  });
  const path = world.at(name);
  await Bun.write(path, new Uint8Array(mib * MIB).fill(mib));
  const torrentPath = `${path}.json`;
  const args = ["upload", path, torrentPath, "--part-size", "1M", ...flags];
  const seeder = world.peer(`seeder-${name}`, args, { env: envOf("seeder") });
  await seeder.event("uploaded");
  const leecher = world.download(`leecher-${name}`, torrentPath, {
    args: flags,
    env: envOf("leecher"),
  });
  await leecher.summary();
  await seeder.kill("SIGTERM");
  const told = async (who: string) => Number(await readFile(world.at(`${name}.${who}`), "utf8"));
  return { received: await told("leecher"), sent: await told("seeder") };
}
