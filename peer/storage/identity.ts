/** What tells one content of a file from another without reading it: any write, truncation or replacement changes it. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
  /** Bytes. */
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

const FIELDS = ["dev", "ino", "size", "mtimeNs", "ctimeNs"] as const;

/** @returns whether both name the same content of the same file */
export function isSameIdentity(left: FileIdentity, right: FileIdentity): boolean {
  return FIELDS.every((field) => left[field] === right[field]);
}

/** @returns whether both are the same file, whatever it holds by now */
export function isSameFile(left: FileIdentity, right: FileIdentity): boolean {
  return left.dev === right.dev && left.ino === right.ino;
}

/** @returns the identity for a JSON file: decimal strings, since the numbers are beyond what JSON keeps */
export function formatIdentity(identity: FileIdentity): Readonly<Record<string, string>> {
  return Object.fromEntries(FIELDS.map((field) => [field, String(identity[field])]));
}

/** @returns the identity, or undefined when any field is missing or no decimal string */
export function parseIdentity(value: unknown): FileIdentity | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const fields: ReadonlyMap<string, unknown> = new Map(Object.entries(value));
  const [dev, ino, size, mtimeNs, ctimeNs] = FIELDS.map((field) => parseDecimal(fields.get(field)));
  if (dev === undefined || ino === undefined || size === undefined) return undefined;
  if (mtimeNs === undefined || ctimeNs === undefined) return undefined;
  return { dev, ino, size, mtimeNs, ctimeNs };
}

function parseDecimal(text: unknown): bigint | undefined {
  return typeof text === "string" && /^-?[0-9]{1,20}$/.test(text) ? BigInt(text) : undefined;
}
