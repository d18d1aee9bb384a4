import { codeOf, type Files, withoutComments } from "./sources.ts";

/** Words that have no place, or only one place. They are written in pieces here, so that the rules pass themselves. */

interface Rule {
  readonly why: string;
  readonly words: RegExp;
  /** Files that are looked at. */
  readonly where: RegExp;
  /** Of those, the ones in which the words belong. */
  readonly home?: RegExp;
  /** Whether comments count. */
  readonly inComments: boolean;
}

const SOURCE = /^(protocol|peer|tracker|migrations)\/.*\.ts$/;

const RULES: readonly Rule[] = [
  {
    why: "unfinished",
    words: new RegExp(`\\b(${["FIX" + "ME", "TO" + "DO", "X".repeat(3)].join("|")})\\b`),
    where: /\.(ts|md|sql)$|^\.ci\//,
    inComments: true,
  },
  {
    why: "time and chance are arguments: only clock.ts asks the system for them",
    words:
      /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bset(Timeout|Interval|Immediate)\b|\bMath\.random\b|\bAbortSignal\.timeout\b|\bBun\.sleep\b|\bcrypto\.(randomUUID|getRandomValues)\b/,
    where: SOURCE,
    home: /^(peer|tracker)\/clock\.ts$/,
    inComments: false,
  },
  {
    why: "standard output and standard error belong to the command line",
    words: /\bconsole\./,
    where: SOURCE,
    home: /^peer\/cli\//,
    inComments: false,
  },
  {
    why: "the environment is read once, at the edge",
    words: /\bprocess\.(env|argv)\b|\bBun\.env\b|\bimport\.meta\.env\b/,
    where: SOURCE,
    home: /^(peer\/cli\/process-edge|tracker\/(index|fetch))\.ts$/,
    inComments: false,
  },
  {
    why: "protocol/ is plain TypeScript: no Bun, no Node, no timers, no network",
    words:
      /\bBun\b|\bBuffer\b|\bprocess\.|["']node:|["']bun["':]|\bset(Timeout|Interval|Immediate)\b|\bfetch\(|\bconsole\./,
    where: /^protocol\/.*\.ts$/,
    inComments: false,
  },
  {
    why: "a path of the machine it was written on",
    words: new RegExp(
      `(^|[\\s"'\`(=])/(${["wo" + "rk", "ro" + "ot", "Use" + "rs"].join("|")})/\\w|\\b${"sha" + "red"}/`,
    ),
    where: /./,
    inComments: true,
  },
  {
    why: "a test that does not run, or keeps others from running",
    words: /\b(test|it|describe)\.(only|skip|todo)\b/,
    where: /^tests\/.*\.ts$/,
    inComments: false,
  },
  {
    why: "the lock file names no download address",
    words: /https?:\/\//,
    where: /^bun\.lock$/,
    inComments: true,
  },
];

/** @returns a line for each word out of place */
export function wrongWords(files: Files): readonly string[] {
  const code = codeOf(files);
  return Object.entries(files).flatMap(([path, text]) =>
    RULES.filter(({ where, home }) => where.test(path) && !home?.test(path)).flatMap((rule) => {
      const seen = rule.inComments || !(path in code) ? text : withoutComments(text);
      const match = rule.words.exec(seen);
      if (match === null) return [];
      const line = seen.slice(0, match.index).split("\n").length;
      return [`${path}:${line} has ${match[0].trim()}: ${rule.why}`];
    }),
  );
}
