import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { MemoryStore } from "../../peer/storage/memory.ts";
import { open, tempDir } from "../peer/storage/fixtures.ts";
import { describePartStore } from "./part-store.ts";

describePartStore("in memory", async ({ torrent }) => {
  const store = new MemoryStore(torrent.geometry);
  return {
    store,
    published: async () => store.published,
    [Symbol.asyncDispose]: () => store.close(),
  };
});

describePartStore("as a sparse file", async (from) => {
  const dir = await tempDir();
  const store = await open(dir.path, from);
  async function published(): Promise<Uint8Array | undefined> {
    const bytes = await readFile(join(dir.path, "target")).catch(() => undefined);
    return bytes === undefined ? undefined : new Uint8Array(bytes);
  }
  async function dispose(): Promise<void> {
    await store.close();
    await dir[Symbol.asyncDispose]();
  }
  return { store, published, [Symbol.asyncDispose]: dispose };
});
