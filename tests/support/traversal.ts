const PLAIN = [
  ".",
  "..",
  "/",
  "//",
  "\\",
  "/etc/passwd",
  "//etc/passwd",
  "\\\\host\\share\\x",
  "//host/share/x",
  "C:\\x",
  "C:/x",
  "\\\\?\\C:\\x",
  "\\\\.\\pipe\\x",
  "file:///etc/passwd",
  "~/x",
  "a/../../x",
  "a/..",
  "./x",
  "a/b",
  "x/",
  "x\u0000.json",
  "x\n/../y",
  "/dev/stdin",
  "/proc/self/environ",
  "6f1e3a52-9c4b-4d7e-8a10-2b3c4d5e6f70/../x",
  "../6f1e3a52-9c4b-4d7e-8a10-2b3c4d5e6f70",
  "6f1e3a52-9c4b-4d7e-8a10-2b3c4d5e6f70\u0000",
  "6f1e3a52/9c4b/4d7e/8a10/2b3c4d5e6f70",
] as const;

/** Strings that leave a directory when something uses them as a path, by a parent, a root, a drive, an encoding that
 * somebody decodes or a character that somebody cuts at: made from the pieces that such attacks are made of. */
export const traversalStrings: readonly string[] = makeTraversalStrings();

function makeTraversalStrings(): readonly string[] {
  const parents = [
    "..",
    ".../..",
    "....//..",
    ".\\..",
    "..;",
    "%2e%2e",
    "%252e%252e",
    "..%00",
    "..\u0000",
    "%c0%ae%c0%ae",
    "\uff0e\uff0e",
    "..%01",
    ".%2e",
    "%2e.",
  ];
  const separators = ["/", "\\", "//", "%2f", "%5c", "%252f", "%c0%af", "\u2215", "\uff0f"];
  const targets = ["etc/passwd", "windows\\win.ini", "x", ""];
  const strings = new Set<string>();
  for (const parent of parents) {
    for (const separator of separators) {
      for (const target of targets) {
        strings.add(`${parent}${separator}${target}`);
        strings.add(`${`${parent}${separator}`.repeat(6)}${target}`);
      }
    }
  }
  for (const plain of PLAIN) strings.add(plain);
  return [...strings];
}
