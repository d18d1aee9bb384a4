/** Limits of one msgpack value taken from the network: counts are items, sizes are bytes. */
export interface ScanLimits {
  /** Deepest nesting; a value that is no list has depth 0. */
  readonly depthMax: number;
  /** Most values altogether, the outermost counted. */
  readonly itemsMax: number;
  readonly stringBytesMax: number;
  readonly binaryBytesMax: number;
}

type Kind = "string" | "binary" | "array" | "scalar";

/** What a first byte announces: its length stands in the byte itself (`fixed`) or in the `lengthBytes` after it. */
interface Shape {
  readonly kind: Kind;
  readonly lengthBytes: 0 | 1 | 2 | 4;
  readonly fixed: number;
}

/** Says whether `bytes` is exactly one msgpack value within the limits, without decoding anything.
 *
 * Refuses maps (no message has one, and msgpackr throws at some keys), extension types, the unused code 0xc1, truncated
 * input and trailing bytes, so a decoder that runs after it never sees records, dates, regular expressions, bombs or deep
 * nesting. What the input says of itself costs no memory. */
export function isPlainMsgpack(bytes: Uint8Array, limits: ScanLimits): boolean {
  const scan = new Scan(bytes, limits);
  return scan.skipValue(0) && scan.isAtEnd;
}

class Scan {
  readonly #bytes: Uint8Array;
  readonly #limits: ScanLimits;
  #at = 0;
  #items = 0;

  constructor(bytes: Uint8Array, limits: ScanLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Goes past one value. It calls itself for what is inside, at most `depthMax` deep.
   * @returns false when the value is cut short, of a refused type or above a limit */
  skipValue(depth: number): boolean {
    this.#items++;
    if (this.#items > this.#limits.itemsMax) return false;
    const shape = SHAPES[this.#bytes[this.#at] ?? UNUSED_CODE];
    if (shape === undefined) return false;
    const length = lengthOf(shape, this.#bytes, this.#at + 1);
    this.#at += 1 + shape.lengthBytes;
    // Every value inside a list takes a byte or more, so the bytes left bound its length too.
    if (length > capOf(shape.kind, this.#limits) || length > this.#bytes.length - this.#at) {
      return false;
    }
    if (shape.kind === "array") return this.#skipInside(length, depth + 1);
    this.#at += length;
    return true;
  }

  #skipInside(count: number, depth: number): boolean {
    if (count > 0 && depth > this.#limits.depthMax) return false;
    for (let index = 0; index < count; index++) {
      if (!this.skipValue(depth)) return false;
    }
    return true;
  }
}

const UNUSED_CODE = 0xc1;

/** @returns bytes of a string, binary or scalar; values inside a list; Infinity when the input ends before */
function lengthOf(shape: Shape, bytes: Uint8Array, start: number): number {
  if (start + shape.lengthBytes > bytes.length) return Number.POSITIVE_INFINITY;
  let length = shape.fixed;
  for (let at = start; at < start + shape.lengthBytes; at++) {
    length = length * 256 + (bytes[at] ?? 0);
  }
  return length;
}

function capOf(kind: Kind, limits: ScanLimits): number {
  switch (kind) {
    case "string":
      return limits.stringBytesMax;
    case "binary":
      return limits.binaryBytesMax;
    case "array":
      return limits.itemsMax;
    case "scalar":
      return 8;
    default:
      return kind satisfies never;
  }
}

const NOTHING_FOLLOWS: Shape = { kind: "scalar", lengthBytes: 0, fixed: 0 };

/** One shape for every first byte there is; a byte that may not occur has none. */
const SHAPES: readonly (Shape | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  shapeOf(code),
);

function shapeOf(code: number): Shape | undefined {
  if (code < 0x80 || code >= 0xe0) return NOTHING_FOLLOWS;
  if (code < 0x90) return undefined; // short maps
  if (code < 0xa0) return { kind: "array", lengthBytes: 0, fixed: code & 0x0f };
  if (code < 0xc0) return { kind: "string", lengthBytes: 0, fixed: code & 0x1f };
  return longShapeOf(code);
}

/** The codes 0xc0 to 0xdf: each its own meaning. */
function longShapeOf(code: number): Shape | undefined {
  switch (code) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return NOTHING_FOLLOWS;
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return sized("binary", code - 0xc4);
    case 0xca:
    case 0xcb: // float 32, 64
      return { ...NOTHING_FOLLOWS, fixed: 4 << (code - 0xca) };
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf: // unsigned, 8 to 64 bits
      return { ...NOTHING_FOLLOWS, fixed: 1 << (code - 0xcc) };
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: // signed, 8 to 64 bits
      return { ...NOTHING_FOLLOWS, fixed: 1 << (code - 0xd0) };
    case 0xd9:
    case 0xda:
    case 0xdb:
      return sized("string", code - 0xd9);
    case 0xdc:
    case 0xdd:
      return sized("array", code - 0xdc + 1);
    default: // 0xc1, long maps and every extension type
      return undefined;
  }
}

/** @param power the length field has 2 to the power of this many bytes */
function sized(kind: Kind, power: number): Shape {
  const lengthBytes = power === 0 ? 1 : power === 1 ? 2 : 4;
  return { kind, lengthBytes, fixed: 0 };
}
