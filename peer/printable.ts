/** Longest string from outside that is shown, in characters. */
export const PRINTABLE_CHARS_MAX = 200;

/** C0, DEL and C1; line and paragraph separators; bidi controls; zero-width and other invisible characters; halves of
 * surrogate pairs. */
const UNPRINTABLE =
  /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/gu;

/** Makes a string from outside fit to be shown: no character that acts on a terminal, hides, or reorders the text.
 * @param charsMax the most characters kept; what was longer ends in "…"
 * @returns one line */
export function printable(text: string, charsMax: number = PRINTABLE_CHARS_MAX): string {
  // Far more than can be kept is never looked at: the text may be megabytes from a stranger.
  const head = text.length > charsMax * 8 ? text.slice(0, charsMax * 8) : text;
  const clean = head.replace(UNPRINTABLE, "");
  const isCut = head.length < text.length || clean.length > charsMax;
  if (!isCut) return clean;
  return `${clean.slice(0, charsMax - 1).replace(/\p{Cs}$/u, "")}…`;
}

/** Makes JSON text fit to be shown without changing what it says: every unprintable character becomes its escape. */
export function escapeUnprintable(json: string): string {
  return json.replace(UNPRINTABLE, (character) => {
    const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
  });
}
