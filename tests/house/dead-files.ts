import { codeOf, type Files, importsOf, mentionsOf } from "./sources.ts";

const PROGRAMS = ["peer/index.ts", "tracker/index.ts", "build.ts", "drizzle.config.ts"];

/** A file that nothing leads to is dead: what leads to files are the programs, the scripts of package.json and the tests,
 * by their imports and by the names of the programs they start.
 * @returns the dead ones, and programs that are not there */
export function deadFiles(files: Files): readonly string[] {
  const code = codeOf(files);
  const scripts = files["package.json"]?.match(/[\w./-]+\.ts\b/g) ?? [];
  const tests = Object.keys(code).filter((path) => path.endsWith(".test.ts"));
  const alive = new Set<string>();
  const waiting = [...PROGRAMS, ...scripts, ...tests];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const text = code[path];
    if (text === undefined || alive.has(path)) continue;
    alive.add(path);
    waiting.push(...importsOf(path, text).map(({ to }) => to));
    // The house's rules name files without starting them.
    if (!path.startsWith("tests/house/")) waiting.push(...mentionsOf(path, text));
  }
  const missing = PROGRAMS.filter((path) => !(path in code)).map((path) => `${path} is missing`);
  return [...Object.keys(code).filter((path) => !alive.has(path)), ...missing];
}
