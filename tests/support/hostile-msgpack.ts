import { concat, utf8 } from "./fixtures.ts";

export interface HostileMsgpack {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const uint32 = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
const of = (name: string, ...bytes: readonly (number | Uint8Array)[]): HostileMsgpack => ({
  name,
  bytes: concat(bytes.map((part) => (typeof part === "number" ? Uint8Array.of(part) : part))),
});

/** What has hurt msgpack decoders, or could: none of it may reach one. */
export const hostileMsgpack: readonly HostileMsgpack[] = [
  of("nothing at all"),
  of("the unused code", 0xc1),
  of("the unused code in a list", 0x92, 1, 0xc1),
  // msgpackr's records: a definition by extension 0x72, and a use of it.
  of("a record definition", 0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1),
  of("a record definition in a list", 0x91, 0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 1),
  of("a record definition, two bytes", 0xd5, 0x72, 0x40, 0x01, 0x91, 0xa1, 0x61, 1),
  of("a date of 32 bits", 0xd6, 0xff, ...uint32(1_700_000_000)),
  of("a date of 64 bits", 0xd7, 0xff, ...uint32(0), ...uint32(1_700_000_000)),
  of("a date of 96 bits", 0xc7, 12, 0xff, new Uint8Array(12)),
  of("an invalid date", 0xd7, 0xff, ...uint32(0xffffffff), ...uint32(0xffffffff)),
  of("undefined by extension", 0xd4, 0x00, 0x00),
  of("a set", 0xd4, 0x73, 0x00, 0x91, 1),
  of("a regular expression", 0xd4, 0x78, 0x00, 0x92, 0xa5, utf8("(a+)+"), 0xa1, utf8("g")),
  of("an error object", 0xd4, 0x65, 0x00, 0x92, 0xa5, utf8("Error"), 0xa1, 0x62),
  of("a big integer of 60,000 bytes", 0xc8, 0xea, 0x60, 0x42, new Uint8Array(60_000).fill(0xff)),
  of("a typed array", 0xc7, 5, 0x74, 0x06, 1, 2, 3, 4),
  of("a pointer to an earlier value", 0xd6, 0x70, 0, 0, 0, 1),
  of("an id for a later pointer", 0xd6, 0x69, 0, 0, 0, 1, 0x90),
  of("inline strings bundled", 0xd6, 0x62, 0, 0, 0, 2, 0x90),
  ...[0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xc7, 0xc8, 0xc9].map((code) =>
    of(`extension code 0x${code.toString(16)}`, code, new Uint8Array(32)),
  ),
  of("a string of 4 GiB", 0xdb, ...uint32(0xffffffff)),
  of("a string of 4 GiB with some of it", 0xdb, ...uint32(0xffffffff), utf8("abc")),
  of("binary of 4 GiB", 0xc6, ...uint32(0xffffffff), 1, 2, 3),
  of("a list of 4 Gi items", 0xdd, ...uint32(0xffffffff), 1),
  of("a map of 4 Gi pairs", 0xdf, ...uint32(0xffffffff), 1),
  of("lists of 4 Gi items in each other", ...new Array(3).fill([0xdd, 255, 255, 255, 255]).flat()),
  of("a list of 65,535 items", 0xdc, 0xff, 0xff, new Uint8Array(65535)),
  of("a string above its limit", 0xda, 1, 0, new Uint8Array(256)),
  of("binary above its limit", 0xc4, 65, new Uint8Array(65)),
  of("lists 4 deep", 0x91, 0x91, 0x91, 0x91, 1),
  of("lists 100,000 deep", new Uint8Array(100_000).fill(0x91)),
  of("lists 100,000 deep, 32 bits each", concat(new Array(20_000).fill(bomb()))),
  of("maps 50,000 deep", new Uint8Array(100_000).fill(0x81)),
  of("an empty map", 0x80),
  of("a map", 0x81, 0xa1, 0x61, 1),
  of("a map with a list as key", 0x91, 0x81, 0x91, 1, 2),
  of("a map with __proto__ as key", 0x81, 0xa9, utf8("__proto__"), 0x80),
  of("a map of 16 bits", 0xde, 0, 1, 0xa1, 0x61, 1),
  of("a map of 32 bits", 0xdf, 0, 0, 0, 1, 0xa1, 0x61, 1),
  of("a trailing byte", 0x90, 0x00),
  of("a trailing value", 0x91, 1, 0x91, 1),
  of("trailing after a scalar", 5, 6),
  of("a list cut short", 0x92, 1),
  of("a string cut short", 0xa3, 0x61, 0x62),
  of("a string without its length", 0xd9),
  of("a string with half its length", 0xda, 0),
  of("a list without its length", 0xdd, 0, 0, 0),
  of("binary without its length", 0xc5, 1),
  of("uint8 cut short", 0xcc),
  of("uint16 cut short", 0xcd, 1),
  of("uint32 cut short", 0xce, 1, 2, 3),
  of("uint64 cut short", 0xcf, 1, 2, 3, 4, 5, 6, 7),
  of("int64 cut short", 0xd3, 1, 2, 3, 4, 5, 6, 7),
  of("float32 cut short", 0xca, 1, 2, 3),
  of("float64 cut short", 0xcb, 1, 2, 3, 4, 5, 6, 7),
];

function bomb(): Uint8Array {
  return Uint8Array.of(0xdd, 0, 0, 0, 1);
}
