import { chmod, mkdir } from "node:fs/promises";

/** A file system of its own: a tmpfs, for which this process must be allowed to mount. */
export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
}

/** Mounts a disk that is soon full.
 * @param path made, and empty again afterwards
 * @returns undefined where mounting is not allowed */
export async function mountSmallDisk(path: string, bytes: number): Promise<SmallDisk | undefined> {
  return await mount(path, `size=${bytes}`);
}

/** Makes a directory in which nothing can be made, whoever asks: root may write where permissions forbid it.
 * @returns undefined for root where mounting is not allowed */
export async function makeUnwritable(path: string): Promise<SmallDisk | undefined> {
  if (process.getuid?.() === 0) return await mount(path, "ro");
  await mkdir(path, { recursive: true });
  await chmod(path, 0o555);
  return { path, [Symbol.asyncDispose]: () => chmod(path, 0o755) };
}

async function mount(path: string, options: string): Promise<SmallDisk | undefined> {
  await mkdir(path, { recursive: true });
  if ((await run("mount", "-t", "tmpfs", "-o", options, "tmpfs", path)) !== 0) return undefined;
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      // A process that still has a file open there must not keep the mount for ever.
      const exitCode = await run("umount", "-l", path);
      if (exitCode !== 0) throw new Error(`umount ${path} ended with ${exitCode}`);
    },
  };
}

async function run(...command: readonly string[]): Promise<number> {
  const streams = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
  try {
    return await Bun.spawn([...command], streams).exited;
  } catch {
    return 127;
  }
}
