import { describe, expect, test } from "bun:test";
import { mkdir, readdir, readFile, rm, stat, symlink, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock, systemRandom } from "../../peer/clock.ts";
import { type Entry, type Library, openLibrary } from "../../peer/library.ts";
import { verifySeed } from "../../peer/storage/seed-file.ts";
import { systemDisk } from "../../peer/storage/system-disk.ts";
import { Bitfield } from "../../protocol/bitfield.ts";
import { formatTorrent } from "../support/torrent-text.ts";
import {
  codeOf,
  crypto,
  open,
  runOf,
  type Sample,
  sample,
  tempDir,
  writeSample,
} from "./storage/fixtures.ts";

const UUID = "0a1b2c3d-0000-4000-8000-00000000000a";

async function openAt(root: string, warnings: string[] = []): Promise<Library> {
  return await openLibrary(root, {
    disk: systemDisk,
    crypto,
    clock: systemClock,
    random: systemRandom,
    warn: (message) => warnings.push(message),
  });
}

async function all(library: Library): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of library.list()) entries.push(entry);
  return entries;
}

async function addVerified(library: Library, from: Sample, path: string): Promise<Entry> {
  const verified = await verifySeed(systemDisk, systemClock, from.torrent, path);
  return await library.add(from.torrent, { path, verified });
}

describe("openLibrary", () => {
  test("openLibrary makes the data directory for its owner alone, and takes one that is there", async () => {
    await using dir = await tempDir();
    const root = join(dir.path, "some", "data");
    const library = await openAt(root);
    for (const path of [root, library.journalDir, join(root, "torrents"), join(root, "files")]) {
      expect((await stat(path)).mode & 0o777).toBe(0o700);
    }
    expect(await all(library)).toEqual([]);
    expect(await all(await openAt(root))).toEqual([]);
    await writeFile(join(dir.path, "file"), "");
    expect(await codeOf(openAt(join(dir.path, "file", "data")))).toBe("missing");
  });

  test("openLibrary takes a data directory of the original program as it is", async () => {
    await using dir = await tempDir();
    const old = sample({ algorithm: "sha1", uuid: UUID });
    const torrent = JSON.parse(formatTorrent(old.torrent));
    await mkdir(join(dir.path, "torrents"));
    await mkdir(join(dir.path, "files"));
    await writeFile(join(dir.path, "torrents", `${UUID}.json`), JSON.stringify(torrent));
    await writeFile(join(dir.path, "files", `${UUID}.bin`), old.content);
    const library = await openAt(dir.path);
    const [entry, ...others] = await all(library);
    expect(others).toEqual([]);
    expect(entry?.torrent.digest).toBe(old.torrent.digest);
    expect(entry?.path).toBe(join(dir.path, "files", `${UUID}.bin`));
    expect([entry?.state, entry?.identity, entry?.parts.count]).toEqual(["complete", undefined, 0]);
    const verified = await addVerified(library, old, entry?.path ?? "");
    expect([verified.state, verified.parts.isFull]).toEqual(["complete", true]);
    expect(verified.identity).toBeDefined();
    expect(await readdir(join(dir.path, "torrents"))).toEqual([`${UUID}.json`]);
  });
});

describe("Library", () => {
  test("add remembers a torrent, where its file lies and what was found right", async () => {
    await using dir = await tempDir();
    const from = sample();
    const path = await writeSample(dir.path, from, "a file ünd more");
    await addVerified(await openAt(join(dir.path, "data")), from, path);
    const library = await openAt(join(dir.path, "data"));
    const [entry] = await all(library);
    expect(entry?.torrent).toEqual(from.torrent);
    expect([entry?.path, entry?.state, entry?.parts.isFull]).toEqual([path, "complete", true]);
    expect(entry?.identity).toEqual((await systemDisk.facts(path))?.identity);
    for (const file of await readdir(library.journalDir)) {
      expect((await stat(join(library.journalDir, file))).mode & 0o777).toBe(0o600);
    }
  });

  test("add resolves a link once, so that turning it later changes nothing", async () => {
    await using dir = await tempDir();
    const from = sample();
    const path = await writeSample(dir.path, from);
    await symlink(path, join(dir.path, "link"));
    const library = await openAt(join(dir.path, "data"));
    const entry = await library.add(from.torrent, { path: join(dir.path, "link") });
    expect(entry.path).toBe(path);
  });

  test("list shows a file that changed as not verified, and one that is gone as missing", async () => {
    await using dir = await tempDir();
    const from = sample();
    const path = await writeSample(dir.path, from);
    const library = await openAt(join(dir.path, "data"));
    await addVerified(library, from, path);
    await writeFile(path, from.content.slice().fill(1));
    const [changed] = await all(library);
    expect([changed?.state, changed?.identity]).toEqual(["complete", undefined]);
    expect(changed?.parts.count).toBe(0);
    await writeFile(path, "short");
    expect((await all(library))[0]?.state).toBe("partial");
    await unlink(path);
    expect((await all(library))[0]?.state).toBe("missing");
    await mkdir(path);
    expect((await all(library))[0]?.state).toBe("missing");
  });

  test("list keeps which parts of a damaged file are right", async () => {
    await using dir = await tempDir();
    const from = sample();
    const damaged = { ...from, content: from.content.slice() };
    damaged.content[0] = (damaged.content[0] ?? 0) ^ 1;
    const path = await writeSample(dir.path, damaged);
    const library = await openAt(join(dir.path, "data"));
    await addVerified(library, from, path);
    const [entry] = await all(await openAt(join(dir.path, "data")));
    expect([entry?.state, entry?.parts.count, entry?.parts.has(0)]).toEqual(["partial", 39, false]);
  });

  test("list shows a download under way, with the parts that were committed", async () => {
    await using dir = await tempDir();
    const from = sample();
    const library = await openAt(join(dir.path, "data"));
    const target = join(dir.path, "target");
    await library.add(from.torrent, { path: target });
    expect((await all(library))[0]?.state).toBe("missing");
    const store = await open(dir.path, from, { target, journalDir: library.journalDir });
    await store.write(runOf(from, 0, 7));
    await store.commit();
    const [entry] = await all(library);
    expect([entry?.state, entry?.parts.count]).toEqual(["partial", 7]);
    await store.write(runOf(from, 7, 33));
    await store.publish();
    await library.add(from.torrent, { path: store.path, verified: await store.verified() });
    await store.close();
    const [done] = await all(library);
    expect([done?.state, done?.parts.isFull]).toEqual(["complete", true]);
  });

  test("add of a complete file removes the journal that a kill right after publishing left", async () => {
    await using dir = await tempDir();
    const from = sample();
    const library = await openAt(join(dir.path, "data"));
    const target = join(dir.path, "target");
    const store = await open(dir.path, from, { target, journalDir: library.journalDir });
    await store.write(runOf(from, 0, 40));
    await store.close();
    await systemDisk.rename(`${target}.part`, target);
    expect(await readdir(library.journalDir)).toHaveLength(2);
    await addVerified(library, from, target);
    expect(await readdir(library.journalDir)).toEqual([`${from.torrent.digest}.json`]);
  });

  test("find finds by digest, uuid and how they begin, and two torrents of one uuid", async () => {
    await using dir = await tempDir();
    const one = sample({ uuid: UUID, seed: 1 });
    const two = sample({ uuid: UUID, seed: 2 });
    const other = sample({ seed: 3 });
    const library = await openAt(join(dir.path, "data"));
    for (const from of [one, two, other]) {
      await library.add(from.torrent, { path: join(dir.path, "nothing") });
    }
    async function digests(text: string): Promise<string[]> {
      return (await library.find(text)).map((entry) => entry.torrent.digest).toSorted();
    }
    const both = [one.torrent.digest, two.torrent.digest].toSorted();
    expect(await digests(UUID)).toEqual(both);
    expect(await digests(UUID.toUpperCase())).toEqual(both);
    expect(await digests(UUID.slice(0, 10))).toEqual(both);
    for (const from of [one, two, other]) {
      expect(await digests(from.torrent.digest)).toEqual([from.torrent.digest]);
      expect(await digests(from.torrent.digest.slice(0, 12))).toEqual([from.torrent.digest]);
    }
    for (const text of ["", "0a1", "ffffffff-ffff-4fff", "../../etc/passwd", "*"]) {
      expect(await digests(text)).toEqual([]);
    }
  });

  test("list passes over broken files, saying which, and shows a torrent once", async () => {
    await using dir = await tempDir();
    const from = sample({ uuid: UUID });
    const library = await openAt(dir.path);
    await library.add(from.torrent, { path: join(dir.path, "nothing") });
    const torrents = join(dir.path, "torrents");
    await writeFile(join(torrents, `${UUID}.json`), formatTorrent(from.torrent));
    await writeFile(join(torrents, "broken.json"), "{");
    await writeFile(join(torrents, "empty.json"), "");
    await mkdir(join(torrents, "directory.json"));
    await symlink("/dev/zero", join(torrents, "link.json"));
    await writeFile(join(torrents, "README"), "not a torrent");
    const warnings: string[] = [];
    const reopened = await openAt(dir.path, warnings);
    expect((await all(reopened)).map((entry) => entry.torrent.digest)).toEqual([
      from.torrent.digest,
    ]);
    const named = warnings.map((text) => /torrents\/(\w+)\.json/.exec(text)?.[1]);
    expect(named.toSorted()).toEqual(["broken", "directory", "empty", "link"]);
  });

  test("list does without a record that cannot be read", async () => {
    await using dir = await tempDir();
    const from = sample();
    const path = await writeSample(dir.path, from);
    const library = await openAt(join(dir.path, "data"));
    await addVerified(library, from, path);
    const record = join(library.journalDir, `${from.torrent.digest}.json`);
    const right = JSON.parse(await readFile(record, "utf8"));
    const wrongs = [
      "",
      "{",
      "[]",
      "null",
      JSON.stringify({ ...right, version: 2 }),
      JSON.stringify({ ...right, path: "relative" }),
      JSON.stringify({ ...right, path: "/a\0b" }),
      JSON.stringify({ ...right, recordedAt: "now" }),
    ];
    for (const wrong of wrongs) {
      await writeFile(record, wrong);
      const warnings: string[] = [];
      const [entry] = await all(await openAt(join(dir.path, "data"), warnings));
      expect([wrong, entry?.state, entry?.identity]).toEqual([wrong, "missing", undefined]);
      expect(warnings).toHaveLength(1);
    }
    const doubtful = [
      { ...right, identity: { ...right.identity, size: 10_000 } },
      { ...right, parts: "AAAA" },
      { ...right, parts: "no base64!" },
      { ...right, parts: 5 },
    ];
    for (const wrong of doubtful) {
      await writeFile(record, JSON.stringify(wrong));
      const [entry] = await all(library);
      expect([entry?.path, entry?.identity]).toEqual([path, undefined]);
    }
  });

  test("copyIn and adopt put a file into the data directory, where it is found without a record", async () => {
    await using dir = await tempDir();
    const library = await openAt(join(dir.path, "data"));
    const copied = sample({ seed: 4 });
    const path = await library.copyIn(copied.torrent, await writeSample(dir.path, copied));
    expect(path).toBe(join(dir.path, "data", "files", `${copied.torrent.digest}.bin`));
    expect(new Uint8Array(await readFile(path))).toEqual(copied.content);
    const made = sample({ seed: 5 });
    const incoming = library.incomingPath();
    await writeFile(incoming, made.content);
    expect(await codeOf(library.copyIn(made.torrent, join(dir.path, "no")))).toBe("missing");
    await library.adopt(made.torrent, incoming);
    for (const { torrent } of [copied, made]) {
      await writeFile(
        join(dir.path, "data", "torrents", `${torrent.digest}.json`),
        formatTorrent(torrent),
      );
    }
    expect((await all(library)).map(({ state }) => state)).toEqual(["complete", "complete"]);
    expect((await readdir(join(dir.path, "data", "files"))).toSorted()).toEqual(
      [copied, made].map(({ torrent }) => `${torrent.digest}.bin`).toSorted(),
    );
  });

  test("remove forgets a torrent and leaves its file, unless told to delete it", async () => {
    await using dir = await tempDir();
    const from = sample({ uuid: UUID });
    const path = await writeSample(dir.path, from);
    const root = join(dir.path, "data");
    const library = await openAt(root);
    await addVerified(library, from, path);
    await writeFile(join(root, "torrents", `${UUID}.json`), formatTorrent(from.torrent));
    await library.remove(from.torrent.digest, { deleteFile: false });
    expect(await all(library)).toEqual([]);
    expect(await readdir(join(root, "torrents"))).toEqual([]);
    expect(await readdir(library.journalDir)).toEqual([]);
    expect(new Uint8Array(await readFile(path))).toEqual(from.content);
    await addVerified(library, from, path);
    await library.remove(from.torrent.digest, { deleteFile: true });
    expect(await codeOf(readFile(path))).toBe("ENOENT");
    await library.remove(from.torrent.digest, { deleteFile: true });
  });

  test("remove of a download under way takes its journal, and with deleteFile what was fetched", async () => {
    await using dir = await tempDir();
    const from = sample();
    const library = await openAt(join(dir.path, "data"));
    const target = join(dir.path, "target");
    await library.add(from.torrent, { path: target });
    const store = await open(dir.path, from, { target, journalDir: library.journalDir });
    await store.write(runOf(from, 0, 7));
    await store.close();
    await library.remove(from.torrent.digest, { deleteFile: true });
    expect(await readdir(library.journalDir)).toEqual([]);
    expect(await readdir(dir.path)).toEqual(["data"]);
    await rm(join(dir.path, "data"), { recursive: true });
  });

  test("add keeps a record whole when it is killed: the old one or the new one stands, never a piece", async () => {
    await using dir = await tempDir();
    const from = sample();
    const path = await writeSample(dir.path, from);
    const library = await openAt(join(dir.path, "data"));
    await addVerified(library, from, path);
    const record = join(library.journalDir, `${from.torrent.digest}.json`);
    const before = await readFile(record);
    const broken = {
      ...systemDisk,
      rename: () => Promise.reject(new Error("killed")),
    };
    const dying = await openLibrary(join(dir.path, "data"), {
      disk: broken,
      crypto,
      clock: systemClock,
      random: systemRandom,
      warn: () => undefined,
    });
    const verified = { identity: (await all(library))[0]?.identity, parts: new Bitfield(40) };
    if (verified.identity === undefined) throw new Error("It was verified");
    const added = dying.add(from.torrent, {
      path,
      verified: { identity: verified.identity, parts: verified.parts },
    });
    expect(await codeOf(added)).toBe("Error: killed");
    expect(await readFile(record)).toEqual(before);
  });
});
