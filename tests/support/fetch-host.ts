import { join } from "node:path";

/** A program that serves modules with a `fetch`, other than Bun. */
export interface FetchHost {
  /** With its version; of one that is not here, its name alone. */
  readonly name: string;
  /** What serves a module; undefined when it is not here. */
  readonly command: ((module: string) => readonly string[]) | undefined;
}

export interface RunningHost extends AsyncDisposable {
  readonly url: string;
}

const SRVX = join(import.meta.dir, "../../node_modules/srvx/bin/srvx.mjs");

/** Deno serves such modules itself; for Node a package does. */
export const FETCH_HOSTS: readonly FetchHost[] = [
  await findHost("node", (node, module) => [
    ...[node, SRVX, "serve", "--prod", "--host", "127.0.0.1", "--port", "0", "--entry", module],
  ]),
  await findHost("deno", (deno, module) => [
    ...[deno, "serve", "--allow-net", "--allow-env", "--host", "127.0.0.1", "--port", "0", module],
  ]),
];

/** Starts one, which serves `module` when this resolves.
 * @throws {Error} what it said, when it does not begin to listen */
export async function startFetchHost(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<RunningHost> {
  const child = Bun.spawn([...command], {
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    // What is found by a name may be a script that starts the program itself: they are ended together.
    detached: true,
  });
  const said: string[] = [];
  const { promise: listening, resolve } = Promise.withResolvers<string | undefined>();
  const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      said.push(decoder.decode(chunk, { stream: true }));
      const url = /listening on:?\s+(http:\/\/[0-9.]+:[0-9]+)/i.exec(said.join(""))?.[1];
      if (url !== undefined) resolve(url);
    }
  };
  const reading = Promise.all([read(child.stdout), read(child.stderr)]).then(() =>
    resolve(undefined),
  );
  const url = await listening;
  if (url === undefined) throw new Error(`${command[0]} does not listen: ${said.join("")}`);
  return {
    url,
    [Symbol.asyncDispose]: async () => {
      process.kill(-child.pid);
      await child.exited;
      await reading;
    },
  };
}

async function findHost(
  name: string,
  toCommand: (program: string, module: string) => readonly string[],
): Promise<FetchHost> {
  const program = Bun.which(name);
  if (program === null) return { name, command: undefined };
  const told = await Bun.$`${program} --version`.nothrow().quiet().text();
  const version = /[0-9]+\.[0-9]+\.[0-9]+/.exec(told)?.[0];
  if (version === undefined) return { name, command: undefined };
  return { name: `${name} ${version}`, command: (module) => toCommand(program, module) };
}
