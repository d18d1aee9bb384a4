import fc from "fast-check";
import { FIXTURE_HASH, randomBytes, utf8 } from "./fixtures.ts";

const SHA256 = "0123456789abcdef".repeat(4);
const SHA1 = SHA256.slice(0, 40);

/** Torrents and what is nearly one: right in most things, so that what is read behind the list is reached too. */
export function anyDocument(): fc.Arbitrary<Uint8Array> {
  const usually = <Value>(usual: Value, rare: fc.Arbitrary<Value>) =>
    fc.oneof({ arbitrary: fc.constant(usual), weight: 12 }, { arbitrary: rare, weight: 1 });
  const space = usually("", fc.stringMatching(/^[ \t\r\n]{1,3}$/));
  const parts = fc.oneof(
    { arbitrary: plainList(space), weight: 8 },
    { arbitrary: oddList(space), weight: 2 },
    { arbitrary: fc.jsonValue({ maxDepth: 3 }).map((value) => listed(value)), weight: 1 },
  );
  const keys = fc.record({
    info: usually('"FileInfo"', fc.constantFrom('"FileInf\\u006f"', '"Fileinfo"', "FileInfo", "1")),
    parts: usually(
      '"Parts"',
      fc.constantFrom('"P\\u0061rts"', '"parts"', '"Part\\u0073"', '"Size"'),
    ),
    algorithm: usually(
      "",
      fc.constantFrom(
        '"Algorithm":"sha1",',
        '"Algorithm":"sha256",',
        '"Algorithm":"blake3",',
        '"Algorithm":5,',
      ),
    ),
    hash: usually(`"${FIXTURE_HASH}"`, fc.constantFrom('"x"', "null", '"\\ud800"')),
    beside: usually(
      "",
      fc.oneof(
        fc.jsonValue({ maxDepth: 3 }).map((value) => `,"Name":"n","y":${JSON.stringify(value)}`),
        fc.constantFrom(
          `,"Parts":["${SHA1}"]`,
          ',"FileInfo":{"Parts":[]}',
          ',"Name":"\u00e9\ud83d\ude00"',
          ',"Trackers":["http://t.example"]',
          ",",
        ),
      ),
    ),
    order: fc.boolean(),
    size: usually(0, fc.constantFrom(1, -1)),
  });
  const tail = usually(
    "",
    fc.constantFrom("}", "]", " ", "{}", `{"FileInfo":{"Parts":["${SHA1}"]}}`),
  );
  return fc
    .record({
      keys,
      parts,
      space,
      tail,
      mark: usually(false, fc.constant(true)),
      damage: anyDamage(),
    })
    .map(({ keys, parts, space, tail, mark, damage }) => {
      const list = `${keys.parts}${space}:${space}${parts.text}`;
      const rest = `${keys.algorithm}"Size":${parts.count + keys.size},"PartSize":1,"Hash":${keys.hash}`;
      const info = keys.order ? `${list},${rest}` : `${rest},${list}`;
      const text = `${mark ? "\ufeff" : ""}{${keys.info}:${space}{${info}}${keys.beside}}${tail}`;
      return damage(utf8(text));
    });
}

interface ListText {
  readonly text: string;
  readonly count: number;
}

function plainList(space: fc.Arbitrary<string>): fc.Arbitrary<ListText> {
  return fc
    .record({
      digits: fc.constantFrom(40, 64),
      count: fc.integer({ min: 1, max: 6 }),
      seed: fc.integer(),
      isUpper: fc.boolean(),
      space,
    })
    .map(({ digits, count, seed, isUpper, space }) => {
      const hex = randomBytes(seed, (count * digits) / 2).toHex();
      const items = Array.from({ length: count }, (_, at) =>
        hex.slice(at * digits, (at + 1) * digits),
      );
      const text = items
        .map((item) => `"${isUpper ? item.toUpperCase() : item}"`)
        .join(`${space},`);
      return { text: `[${space}${text}${space}]`, count };
    });
}

function oddList(space: fc.Arbitrary<string>): fc.Arbitrary<ListText> {
  const item = fc.constantFrom(
    ...[`"${SHA1}"`, `"${SHA1}"`, `"${SHA256}"`, `"${SHA1.slice(1)}"`, `"${SHA1.slice(1)}g"`],
    ...[`"\\u0061${SHA1.slice(1)}"`, `"\\u0061${SHA1.slice(6)}"`, `"${SHA1.slice(2)}\\""`],
    ...[`"${SHA1.slice(1)}\u00e9"`, `"${SHA1.slice(2)}\u00e9"`, `"${SHA1.slice(1)}\n"`, '""', '"'],
    ...["1", "null", "[]", "{}", `["${SHA1}"]`, '{"a":1}', "", `"${SHA1}" "${SHA1}"`],
  );
  return fc
    .record({
      items: fc.array(item, { maxLength: 4 }),
      space,
      end: fc.constantFrom("]", "]", "}", ""),
    })
    .map(({ items, space, end }) => ({
      text: `[${items.join(`${space},`)}${end}`,
      count: items.length,
    }));
}

function listed(value: unknown): ListText {
  return { text: JSON.stringify(value), count: Array.isArray(value) ? value.length : 1 };
}

/** Mostly none; else a byte that is another, or an end that is missing. */
function anyDamage(): fc.Arbitrary<(bytes: Uint8Array) => Uint8Array> {
  const none = fc.constant((bytes: Uint8Array) => bytes);
  const cut = fc.nat().map((at) => (bytes: Uint8Array) => bytes.subarray(0, at % bytes.length));
  const set = fc
    .record({ at: fc.nat(), byte: fc.nat({ max: 255 }) })
    .map(({ at, byte }) => (bytes: Uint8Array) => {
      bytes[at % bytes.length] = byte;
      return bytes;
    });
  return fc.oneof(
    { arbitrary: none, weight: 4 },
    { arbitrary: cut, weight: 1 },
    { arbitrary: set, weight: 2 },
  );
}
