import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

interface Image {
  readonly from: string;
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

function parseDockerfile(text: string): readonly Image[] {
  const images: { from: string; name: string; instructions: Instruction[] }[] = [];
  const whole = text.replaceAll(/^#.*\n/gm, "").replaceAll(/\\\n\s*/g, "");
  for (const line of whole.split("\n").filter((one) => one.trim() !== "")) {
    const [, name, rest = ""] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`Unreadable: ${line}`);
    if (name === "FROM") {
      const [, from = "", as = ""] = /^(\S+) AS (\S+)$/.exec(rest) ?? [];
      images.push({ from, name: as, instructions: [] });
    } else {
      const image = images.at(-1);
      if (image === undefined) throw new Error(`Before any FROM: ${line}`);
      image.instructions.push({ name, rest });
    }
  }
  return images;
}

/** @returns what a careful reader would object to */
function wrongIn(images: readonly Image[], bunVersion: string): readonly string[] {
  const names = images.map(({ name }) => name);
  const foreign = images.filter(({ from }) => !names.includes(from));
  const loose = foreign
    .filter(({ from }) => !/:\d+\.\d+(\.\d+)?(-\w+)?$/.test(from))
    .map(({ name }) => `${name} is not pinned`);
  const other = foreign
    .filter(({ from }) => from.startsWith("oven/bun:") && !from.includes(`:${bunVersion}-`))
    .map(({ name }) => `${name} has another Bun`);
  const programs = images.filter(({ name }) => name === "peer" || name === "tracker");
  return [...loose, ...other, ...programs.flatMap((image) => wrongInProgram(image, images))];
}

function wrongInProgram(image: Image, images: readonly Image[]): readonly string[] {
  const all = withBases(image, images);
  const find = (...wanted: string[]) => all.filter(({ name }) => wanted.includes(name));
  const user = find("USER").at(-1)?.rest ?? "";
  const absent = ["EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "VOLUME"].filter(
    (name) => find(name).length === 0,
  );
  const shells = find("ENTRYPOINT", "CMD").filter(({ rest }) => !Array.isArray(tryParse(rest)));
  return [
    ...(/^[1-9]\d*:[1-9]\d*$/.test(user) ? [] : ["runs as root"]),
    ...absent.map((name) => `has no ${name}`),
    ...shells.map(({ name }) => `has an ${name} that goes through a shell`),
    ...find("RUN").map(({ rest }) => `runs ${rest} where it should only copy`),
  ].map((what) => `${image.name} ${what}`);
}

function withBases(image: Image, images: readonly Image[]): readonly Instruction[] {
  const base = images.find(({ name }) => name === image.from);
  return [...(base === undefined ? [] : withBases(base, images)), ...image.instructions];
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function read(name: string): Promise<string> {
  return await Bun.file(join(ROOT, name)).text();
}

describe("Dockerfile", () => {
  test("is pinned, runs as nobody, stops and is watched as it should", async () => {
    const { engines } = JSON.parse(await read("package.json"));
    const bunVersion = String(engines.bun).replace(/^\D+/, "");
    expect(wrongIn(parseDockerfile(await read("Dockerfile")), bunVersion)).toEqual([]);
  });

  test.each([
    ["oven/bun:1.4.5-debian", "oven/bun:latest", "build is not pinned"],
    ["oven/bun:1.4.5-debian", "oven/bun:1.4.4-debian", "build has another Bun"],
    ["USER 65532:65532", "USER 0:0", "tracker runs as root"],
    ["STOPSIGNAL SIGTERM\n", "", "tracker has no STOPSIGNAL"],
    ['ENTRYPOINT ["/usr/local/bin/tracker"]', "ENTRYPOINT tracker", "goes through a shell"],
    ["EXPOSE 5000\n", "", "tracker has no EXPOSE"],
  ])("would be caught with %j as %j (control)", async (right, wrong, said) => {
    const text = await read("Dockerfile");
    expect(text).toContain(right);
    const found = wrongIn(parseDockerfile(text.replace(right, wrong)), "1.4.5");
    expect(found.join("\n")).toContain(said);
  });

  test("copies what is there, and what .dockerignore lets through", async () => {
    const [build] = parseDockerfile(await read("Dockerfile"));
    const copied = (build?.instructions ?? [])
      .filter(({ name }) => name === "COPY")
      .flatMap(({ rest }) => rest.split(" ").slice(0, -1));
    const [first, ...kept] = (await read(".dockerignore"))
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    expect(first).toBe("*");
    expect(kept.map((line) => line.replace(/^!/, "")).sort()).toEqual(copied.toSorted());
    expect(copied.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  test("asks a tracker for its health in words that a tracker knows", async () => {
    const text = await read("Dockerfile");
    const [, command = "[]"] = /HEALTHCHECK [^[]*CMD (\[.*\])/.exec(text) ?? [];
    const words: unknown = JSON.parse(command);
    expect(words).toEqual([
      "/usr/local/bin/tracker",
      "check",
      "http://127.0.0.1:5000",
      "--ready",
      "--timeout",
      "3s",
    ]);
  });
});
