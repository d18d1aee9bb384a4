import { describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { systemClock, systemRandom } from "../../peer/clock.ts";
import { createCertificate } from "../../peer/net/certificate.ts";
import { dial } from "../../peer/net/dial.ts";
import type { SocketStreams } from "../../peer/net/socket.ts";
import { secure } from "../../peer/net/tls.ts";
import { encodeMessage } from "../../protocol/frame.ts";
import { toSwarmHashBytes } from "../../protocol/ids.ts";
import { PREFACE_BYTES } from "../../protocol/limits.ts";
import { encodePreface, type TransportMode } from "../../protocol/session.ts";
import type { Torrent } from "../../protocol/torrent.ts";
import { randomBytes } from "../support/fixtures.ts";
import { type Middleman, type MiddlemanOptions, startMiddleman } from "../support/middleman.ts";
import type { PeerProcess } from "../support/peer-process.ts";
import { hashOf, seededBytes } from "../support/temp.ts";
import { MIB, type Seeded, World } from "../support/world.ts";

const TEST_MS = 120_000;
/** Where no tracker listens. */
const NOWHERE = "http://127.0.0.1:1";
const BYTES = 4 * MIB;
const MARK = "the words that nobody on the way may read ";
const MARK_EVERY = 4096;
const MODES = ["tls", "plain"] as const;

/** Serves a file full of marks. */
async function seedMarked(world: World, mode: TransportMode): Promise<Seeded> {
  const content = seededBytes(4, BYTES);
  for (let at = 0; at < BYTES; at += MARK_EVERY) content.write(`${MARK}${at}`, at);
  const file = world.at("marked.bin");
  await writeFile(file, content);
  // Encrypted is what it is when nobody says anything.
  return await world.upload(file, { args: mode === "tls" ? [] : ["--transport", mode] });
}

interface Scene {
  readonly world: World;
  readonly seeded: Seeded;
  readonly torrent: Torrent;
  readonly middleman: Middleman;
  /** Downloads through the man in the middle, who is all that it knows. */
  readonly download: (mode: TransportMode, ...args: readonly string[]) => PeerProcess;
}

/** A peer that serves in this mode, and one who sits before it. */
async function withMiddleman(
  mode: TransportMode,
  options: MiddlemanOptions,
  run: (scene: Scene) => Promise<void>,
): Promise<void> {
  await using world = await World.create();
  const seeded = await seedMarked(world, mode);
  const torrent = await world.readTorrent(seeded.torrentPath);
  await using middleman = await startMiddleman(await seeded.seeder.port(), options);
  const route = ["--tracker", NOWHERE, "--peer", middleman.address];
  const download = (own: TransportMode, ...args: readonly string[]) =>
    world.download("leecher", seeded.torrentPath, {
      args: [...route, "--transport", own, ...args],
    });
  await run({ world, seeded, torrent, middleman, download });
}

/** @returns which of the things that nobody on the way may know are among the bytes */
function secretsIn(bytes: Buffer, { hash, digest }: Torrent): readonly string[] {
  const secrets: Readonly<Record<string, string | Buffer>> = {
    "the file": MARK,
    "the uuid": Buffer.from(toSwarmHashBytes(hash)),
    "the uuid as text": hash,
    "the digest": Buffer.from(digest, "hex"),
    "the digest as text": digest,
  };
  return Object.keys(secrets).filter((name) => bytes.includes(secrets[name] ?? ""));
}

function countMarks(bytes: Buffer): number {
  return bytes.toString("latin1").split(MARK).length - 1;
}

async function expectWhole({ world, seeded }: Scene): Promise<void> {
  expect(await hashOf(world.target("leecher"))).toBe(await hashOf(seeded.file));
}

/** The download fails without a byte and says why, in words that its user sees. */
async function expectRefused(leecher: PeerProcess, why: string): Promise<void> {
  const waiting = await leecher.event("waiting");
  expect(waiting).toMatchObject({ reason: "no_peers" });
  expect(waiting.message).toContain(why);
  expect(await leecher.summary(5)).toMatchObject({ bytes: 0, bytesPerPeer: {} });
  expect(leecher.eventsOf("peer")).toEqual([]);
}

/** Long enough for the first `waiting`. */
const PATIENCE = ["--stall-timeout", "7s"] as const;
const NOT_A_HOLDER = "it does not hold this torrent";

describe("peer upload and peer download, listened to", () => {
  test(
    "peer download by default leaves nothing readable on the wire",
    async () => {
      await withMiddleman("tls", {}, async (scene) => {
        const { world, seeded, torrent, middleman } = scene;
        const args = ["--tracker", NOWHERE, "--peer", middleman.address];
        // Neither side names a transport here.
        await world.download("leecher", seeded.torrentPath, { args }).summary();
        await expectWhole(scene);
        expect(middleman.read().length).toBeGreaterThan(BYTES);
        expect(secretsIn(middleman.read(), torrent)).toEqual([]);
        expect(middleman.sessions[0]?.saidBy("dialler").subarray(0, PREFACE_BYTES)).toEqual(
          Buffer.from(encodePreface("tls")),
        );
      });
    },
    TEST_MS,
  );

  test(
    "peer download with --transport plain can be read on the wire, all but the torrent's digest",
    async () => {
      await withMiddleman("plain", {}, async (scene) => {
        await scene.download("plain").summary();
        await expectWhole(scene);
        const read = scene.middleman.read();
        expect(secretsIn(read, scene.torrent)).toEqual(["the file", "the uuid"]);
        expect(countMarks(read)).toBe(BYTES / MARK_EVERY);
      });
    },
    TEST_MS,
  );

  for (const mode of MODES) {
    test(
      `peer download to four at once works with --transport ${mode}`,
      async () => {
        await using world = await World.create();
        const args = ["--transport", mode];
        const { seeder, file, torrentPath } = await world.seed({
          bytes: 8 * MIB,
          args: [...args, "--limit-up", "8M"],
        });
        const source = `127.0.0.1:${await seeder.port()}`;
        const names = ["one", "two", "three", "four"];
        const leechers = names.map((name) => world.download(name, torrentPath, { args }));
        const summaries = await Promise.all(leechers.map((leecher) => leecher.summary()));
        const fromEachOther = summaries
          .flatMap(({ bytesPerPeer }) => Object.entries(bytesPerPeer))
          .filter(([peer]) => peer !== source);
        expect(fromEachOther.length).toBeGreaterThan(0);
        const expected = await hashOf(file);
        for (const name of names) expect(await hashOf(world.target(name))).toBe(expected);
      },
      TEST_MS,
    );
  }
});

describe("peer upload and peer download in different modes", () => {
  for (const [ours, theirs] of [
    ["tls", "plain"],
    ["plain", "tls"],
  ] as const) {
    test(
      `CRY-2: peer download in mode ${ours} never talks to a peer in mode ${theirs}, and says why`,
      async () => {
        await withMiddleman(theirs, {}, async ({ download, middleman, seeded }) => {
          await expectRefused(download(ours, ...PATIENCE), `its transport is not ${ours} as ours`);
          expect(seeded.seeder.stderr).toContain(`its transport is not ${theirs} as ours`);
          const own = Buffer.from(encodePreface(ours));
          const other = Buffer.from(encodePreface(theirs));
          const said = middleman.sessions.map((session) => ({
            dialler: session.saidBy("dialler"),
            listener: session.saidBy("listener"),
          }));
          expect(said).toContainEqual({ dialler: own, listener: other });
          // One that began when the download ended may have been cut short; none goes further.
          for (const { dialler, listener } of said) {
            expect(dialler).toEqual(own.subarray(0, dialler.length));
            expect(listener).toEqual(other.subarray(0, listener.length));
          }
        });
      },
      TEST_MS,
    );
  }

  test(
    "CRY-2: peer download refuses one who bridges a plain peer to it over TLS, and the other way round",
    async () => {
      const bridges = [
        { near: "tls", far: "plain" },
        { near: "plain", far: "tls" },
      ] as const;
      const refusals = bridges.map((legs) =>
        withMiddleman(legs.far, { legs }, async ({ download, middleman, torrent }) => {
          await expectRefused(download(legs.near, ...PATIENCE), NOT_A_HOLDER);
          expect(middleman.sessions.some(({ isThrough }) => isThrough)).toBe(true);
          // He knew the swarm before, and read no more than that.
          expect(secretsIn(middleman.read(), torrent)).toEqual(["the uuid"]);
        }),
      );
      await Promise.all(refusals);
    },
    TEST_MS,
  );
});

describe("peer upload and peer download with a man in the middle", () => {
  test(
    "CRY-5: peer download and peer upload refuse one who ends TLS at himself, before a byte of the file",
    async () => {
      const legs = { near: "tls", far: "tls" } as const;
      await withMiddleman("tls", { legs }, async ({ download, middleman, torrent, seeded }) => {
        await expectRefused(download("tls", ...PATIENCE), NOT_A_HOLDER);
        await seeded.seeder.waitFor(
          ({ stderr }) => stderr.includes("A caller was not let in"),
          "no",
        );
        // Both his handshakes stood, and he read what was said inside: two hellos and a proof.
        const through = middleman.sessions.filter(({ isThrough }) => isThrough);
        expect(through.length).toBeGreaterThan(0);
        for (const session of through) {
          expect(session.saidBy("dialler").length).toBe(HELLO_BYTES);
          expect(session.saidBy("listener").length).toBeLessThanOrEqual(HELLO_BYTES + PROOF_BYTES);
        }
        expect(secretsIn(middleman.read(), torrent)).toEqual(["the uuid"]);
        expect(seeded.seeder.eventsOf("peer")).toEqual([]);
      });
    },
    TEST_MS,
  );

  test(
    "CRY-5's control: peer download completes through one who only passes the ciphertext on",
    async () => {
      await withMiddleman("tls", {}, async (scene) => {
        await scene.download("tls").summary();
        await expectWhole(scene);
        expect(scene.middleman.sessions.length).toBeGreaterThan(0);
      });
    },
    TEST_MS,
  );

  test(
    "CRY-5's control: the same man reads the file when both sides have said plain",
    async () => {
      const legs = { near: "plain", far: "plain" } as const;
      await withMiddleman("plain", { legs }, async (scene) => {
        await scene.download("plain").summary();
        await expectWhole(scene);
        expect(countMarks(scene.middleman.read())).toBe(BYTES / MARK_EVERY);
      });
    },
    TEST_MS,
  );
});

const HELLO_BYTES = 67;
const PROOF_BYTES = 42;

describe("peer upload and strangers who know the swarm's uuid", () => {
  for (const mode of MODES) {
    test(
      `CRY-1: peer upload refuses a replayed session, recorded in mode ${mode}`,
      async () => {
        await withMiddleman(mode, {}, async (scene) => {
          await scene.download(mode).summary();
          await expectWhole(scene);
          const { seeder } = scene.seeded;
          const recorded = scene.middleman.sessions[0]?.saidBy("dialler") ?? Buffer.alloc(0);
          expect(recorded.length).toBeGreaterThan(PREFACE_BYTES + HELLO_BYTES + PROOF_BYTES);
          const joinedBefore = seeder.eventsOf("peer").length;
          expect(joinedBefore).toBeGreaterThan(0);
          const answer = await replay(await seeder.port(), recorded);
          // The preface at least: it was listened to.
          expect(answer.subarray(0, PREFACE_BYTES)).toEqual(Buffer.from(encodePreface(mode)));
          expect(answer.length).toBeLessThan(4096);
          expect(countMarks(answer)).toBe(0);
          const reason = mode === "plain" ? NOT_A_HOLDER : "the TLS handshake failed";
          await seeder.waitFor(({ stderr }) => stderr.includes(reason), reason);
          expect(seeder.eventsOf("peer").length).toBe(joinedBefore);
        });
      },
      TEST_MS,
    );

    test(
      `CRY-3: peer upload refuses its own proof reflected, in mode ${mode}`,
      async () => {
        await using world = await World.create();
        const { seeder, uploaded } = await world.seed({
          bytes: MIB,
          args: ["--transport", mode],
        });
        const stranger = await meetAsStranger(await seeder.port(), mode);
        await write(stranger, helloFor(uploaded.hash));
        const answer = await readAtLeast(stranger, HELLO_BYTES + PROOF_BYTES);
        expect(answer.length).toBe(HELLO_BYTES + PROOF_BYTES);
        await write(stranger, answer.subarray(HELLO_BYTES));
        expect((await readAtLeast(stranger, Infinity)).length).toBe(0);
        await seeder.waitFor(({ stderr }) => stderr.includes(NOT_A_HOLDER), NOT_A_HOLDER);
        expect(seeder.eventsOf("peer")).toEqual([]);
        stranger.terminate();
      },
      TEST_MS,
    );
  }
});

/** Says what was recorded, as far as the other side wants to hear it.
 * @returns all that was answered */
async function replay(port: number, recorded: Buffer): Promise<Buffer> {
  const socket = await dial({ host: "127.0.0.1", port }, AbortSignal.timeout(5000));
  await write(socket, recorded.subarray(0, PREFACE_BYTES));
  const preface = await readAtLeast(socket, PREFACE_BYTES);
  // It hangs up on the way, which is right.
  const writing = write(socket, recorded.subarray(PREFACE_BYTES)).catch(() => undefined);
  const rest = await readAtLeast(socket, Infinity);
  await writing;
  socket.terminate();
  return Buffer.concat([preface, rest]);
}

/** @returns a connection that is ready for hellos, by one that holds nothing */
async function meetAsStranger(port: number, mode: TransportMode): Promise<SocketStreams> {
  const signal = AbortSignal.timeout(5000);
  const socket = await dial({ host: "127.0.0.1", port }, signal);
  await write(socket, encodePreface(mode));
  await readAtLeast(socket, PREFACE_BYTES);
  if (mode === "plain") return socket;
  const certificate = await createCertificate(systemClock, systemRandom);
  return (await secure(socket, certificate, { isServer: false, signal })).streams;
}

function helloFor(hash: string): Uint8Array {
  return encodeMessage({
    type: "hello",
    version: 1,
    nonce: randomBytes(1, 16),
    swarm: Uint8Array.fromHex(hash.replaceAll("-", "")),
    peerId: randomBytes(2, 16),
    listenPort: 7001,
    features: 0,
  });
}

async function write(socket: SocketStreams, bytes: Uint8Array): Promise<void> {
  const writer = socket.writable.getWriter();
  await writer.write(bytes);
  writer.releaseLock();
}

/** @returns what comes until there is so much, or the other side hangs up */
async function readAtLeast(socket: SocketStreams, bytes: number): Promise<Buffer> {
  const reader = socket.readable.getReader();
  const chunks: Uint8Array[] = [];
  try {
    for (let seen = 0; seen < bytes; ) {
      const { value } = await reader.read();
      if (value === undefined) break;
      chunks.push(value);
      seen += value.length;
    }
  } catch {
    // Cut off: what came before counts.
  }
  reader.releaseLock();
  return Buffer.concat(chunks);
}
