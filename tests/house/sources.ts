import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** The project as text, for rules that no linter knows: files by their path from the root. */

/** Texts by path; also what a rule's negative control is made of. */
export type Files = Readonly<Record<string, string>>;

export const ROOT = join(import.meta.dir, "../..");

const NOT_OURS = new Set(["node_modules", "dist", ".git"]);
const IS_TEXT = /(\.(ts|js|c|json|md|sql|toml|yml|yaml|lock)|^\.ci\/run|^LICENSE|^\.gitignore)$/;

/** @returns every text file of the project */
export function readProject(): Files {
  const files: Record<string, string> = {};
  const walk = (directory: string): void => {
    for (const entry of readdirSync(join(ROOT, directory), { withFileTypes: true })) {
      const path = join(directory, entry.name);
      if (entry.isDirectory() && !NOT_OURS.has(entry.name)) walk(path);
      if (entry.isFile() && IS_TEXT.test(path))
        files[path] = readFileSync(join(ROOT, path), "utf8");
    }
  };
  walk("");
  return files;
}

/** @returns the files that are TypeScript, declarations left out */
export function codeOf(files: Files): Files {
  const isCode = (path: string): boolean => path.endsWith(".ts") && !path.endsWith(".d.ts");
  return Object.fromEntries(Object.entries(files).filter(([path]) => isCode(path)));
}

/** One import of one file, types included. */
export interface Import {
  readonly from: string;
  /** A path from the root, or a package with what follows its name. */
  readonly to: string;
  readonly isPackage: boolean;
}

const STATEMENT =
  /^(?:import|export)\b(?:[^;"'`]*?\bfrom)?\s*"([^"\n]+)"|\bimport\(\s*"([^"\n]+)"\s*\)|\brequire\(\s*"([^"\n]+)"\s*\)/gm;

/** @returns what a file imports, whether as value or as type, in whatever form */
export function importsOf(from: string, text: string): readonly Import[] {
  return [...withoutComments(text).matchAll(STATEMENT)].map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? "";
    const isPackage = !specifier.startsWith(".");
    return { from, isPackage, to: isPackage ? specifier : join(dirname(from), specifier) };
  });
}

/** Leaves lines where they are. Only comments that have a line to themselves count as such: what stands behind code is
 * rarely more than a word, and a linter's directive. */
export function withoutComments(text: string): string {
  return text.replace(/^[ \t]*(\/\/.*|\/\*[\s\S]*?\*\/)/gm, (comment) =>
    comment.replace(/[^\n]/g, ""),
  );
}

/** @returns the TypeScript files that strings in the text name, from the file's folder and from the root: programs that a
 * test starts */
export function mentionsOf(from: string, text: string): readonly string[] {
  return [...text.matchAll(/["'`/]((?:\.\.?\/)*[\w./-]+\.ts)\b/g)].flatMap(([, path = ""]) => [
    normalize(join(dirname(from), path)),
    normalize(path),
  ]);
}
