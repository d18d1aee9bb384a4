import type { Files } from "./sources.ts";

/** What package.json, ARCHITECTURE.md, CHANGELOG.md and README.md must say of each other. */

interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
  readonly engines: { readonly bun: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  /** The programs start without them and say what they then lack. */
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Below these are known holes. */
const FLOORS: Readonly<Record<string, string>> = {
  elysia: "1.4.27",
  "drizzle-orm": "0.45.2",
  msgpackr: "2.1.3",
};
const BUN_FLOOR = "1.4.4";
const RUNTIME_DEPENDENCIES_MAX = 11;
/** Counted apart: one more is one more thing that a machine may lack, and that has to be tested both ways. */
const OPTIONAL_DEPENDENCIES_MAX = 1;

/** @returns a line for each dependency that is not exact, too old, not explained, or one too many */
export function wrongDependencies(files: Files): readonly string[] {
  const manifest = parseManifest(files);
  const { dependencies, devDependencies, optionalDependencies = {}, engines, scripts } = manifest;
  const names = Object.keys(dependencies);
  const optional = Object.keys(optionalDependencies);
  const loose = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
    .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
    .map(([name, version]) => `${name} is not pinned exactly: ${version}`);
  const old = Object.entries(FLOORS)
    .filter(([name, floor]) => name in dependencies && isBelow(dependencies[name] ?? "", floor))
    .map(([name, floor]) => `${name} is below ${floor}`);
  if (isBelow(engines.bun, BUN_FLOOR)) old.push(`bun is below ${BUN_FLOOR}`);
  const architecture = files["ARCHITECTURE.md"] ?? "";
  const unexplained = [...names, ...optional]
    .filter((name) => !architecture.split("\n").some((line) => line.startsWith(`- \`${name}\``)))
    .map((name) => `ARCHITECTURE.md has no line for ${name}`);
  const many = names.length > RUNTIME_DEPENDENCIES_MAX ? [`${names.length} dependencies`] : [];
  if (optional.length > OPTIONAL_DEPENDENCIES_MAX) many.push(`${optional.length} optional ones`);
  // Bun would run such a script instead of the program, through a shell, echoing its command.
  const shadows = ["peer", "tracker"]
    .filter((name) => name in scripts)
    .map((name) => `script ${name} stands before ${name}/index.ts`);
  return [...loose, ...old, ...unexplained, ...many, ...shadows];
}

/** @returns a line for each thing that a document says and that is not so */
export function wrongDocuments(files: Files): readonly string[] {
  const { scripts } = parseManifest(files);
  const isRunnable = (name: string): boolean => name in scripts || name === "tracker";
  const commands = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].flatMap((path) =>
    [...(files[path] ?? "").matchAll(/\bbun(?:@[\d.]+)? run ([\w:-]+)/g)]
      .filter(([, name = ""]) => !isRunnable(name))
      .map(([command]) => `${path} says "${command}", and there is no such script`),
  );
  const paths = [...(files["ARCHITECTURE.md"] ?? "").matchAll(PATH)]
    .map(([, path = ""]) => path)
    .filter((path) => !isThere(files, path))
    .map((path) => `ARCHITECTURE.md names ${path}, and there is no such file`);
  const unreleased = /^## \[?Unreleased\]?\n+(### \w+\n+)?- /m.test(files["CHANGELOG.md"] ?? "");
  return [
    ...commands,
    ...paths,
    ...(unreleased ? [] : ["CHANGELOG.md has no Unreleased part with something in it"]),
  ];
}

/** A path of the project in a document: in backticks, beginning with a folder or file that stands at the root. */
const PATH =
  /`((?:protocol|peer|tracker|migrations|tests|\.ci)\/[\w./-]*|(?:build|drizzle\.config)\.ts)`/g;

function isThere(files: Files, path: string): boolean {
  return path in files || Object.keys(files).some((file) => file.startsWith(addSlash(path)));
}

function addSlash(path: string): string {
  return path.endsWith("/") ? path : `${path}/`;
}

function parseManifest(files: Files): Manifest {
  return JSON.parse(files["package.json"] ?? "{}") as Manifest;
}

function isBelow(range: string, floor: string): boolean {
  return Bun.semver.order(range.replace(/^[\^~>=]+/, ""), floor) < 0;
}
