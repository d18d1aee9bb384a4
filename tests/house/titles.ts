import { codeOf, type Files } from "./sources.ts";

/** What tests are called: those that show that an attack fails carry the attack's ID first, `TRK-4: what is shown`. */

/** Every family of IDs, and the highest number in it. */
const FAMILIES: Readonly<Record<string, number>> = {
  CFG: 2,
  CLI: 6,
  CRY: 5,
  CTL: 2,
  FUZZ: 4,
  NET: 2,
  OUT: 1,
  RES: 9,
  SIM: 9,
  SRV: 14,
  SUP: 5,
  TOR: 5,
  TRK: 12,
};
const TITLE = /\b(?:test|it)\(\s*(["`])((?:[^\\\n]|\\.)*?)\1/g;
const LOOKS_LIKE_ID = /^[A-Z]{3,4}-?\d/i;
const ID = /^([A-Z]{3,4})-([1-9]\d*)[a-z]?(?:'s control)?: \S/;

/** @returns a line for each title whose ID is none, and for each that two files share */
export function wrongTitles(files: Files): readonly string[] {
  const homes = new Map<string, string>();
  return Object.entries(codeOf(files)).flatMap(([path, text]) => {
    if (!path.startsWith("tests/") || path.startsWith("tests/house/")) return [];
    return [...text.matchAll(TITLE)].flatMap(([, , title = ""]) => {
      if (!LOOKS_LIKE_ID.test(title) || /^SHA-/.test(title)) return [];
      if (!isKnown(title)) return [`${path} has a test whose ID is none: ${title}`];
      const home = homes.get(title) ?? path;
      homes.set(title, home);
      return home === path ? [] : [`${path} has a test that ${home} has too: ${title}`];
    });
  });
}

function isKnown(title: string): boolean {
  const [, family = "", number] = ID.exec(title) ?? [];
  return Number(number) <= (FAMILIES[family] ?? 0);
}
