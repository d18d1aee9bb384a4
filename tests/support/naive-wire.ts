import { MESSAGE_CODES } from "../../protocol/messages.ts";

/** A second reader of frames, written from SPEC.md alone and without a thought of speed: what it and FrameDecoder do not
 * agree upon is a fault of one of them. Errors are plain, since only "refused or not" is compared. */

/** One frame: its type, the fields after it and its payload. */
export interface NaiveFrame {
  readonly type: string;
  readonly fields: readonly unknown[];
  readonly payload: Uint8Array;
}

/** @returns all frames of a whole stream
 * @throws when anything of it is wrong */
export function readNaively(bytes: Uint8Array): NaiveFrame[] {
  const frames: NaiveFrame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const bodyBytes = view.getUint32(at);
    const headerBytes = view.getUint16(at + 4);
    const payloadStart = at + 6 + headerBytes;
    const end = at + 4 + bodyBytes;
    must(end <= bytes.length && payloadStart <= end, "lengths agree");
    must(headerBytes <= 16384 && end - payloadStart <= 1048576, "within the limits");
    frames.push(
      toFrame(bytes.slice(at + 6, payloadStart), new Uint8Array(bytes.slice(payloadStart, end))),
    );
    at = end;
  }
  return frames;
}

/** @returns the type and the fields of one header
 * @throws when anything of it is wrong */
export function readHeaderNaively(header: Uint8Array): Omit<NaiveFrame, "payload"> {
  must(header.length <= 16384, "within the limit");
  const reader = new NaiveMsgpack(header);
  const value = reader.read();
  must(reader.isAtEnd, "nothing follows the header");
  must(Array.isArray(value), "a header is a list");
  const [code, ...fields] = value as unknown[];
  const type = Object.entries(MESSAGE_CODES).find(([, known]) => known === code)?.[0];
  must(type !== undefined && FIELDS[type]?.(fields) === true, "a known type and its fields");
  return { type: type ?? "", fields };
}

function toFrame(header: Uint8Array, payload: Uint8Array): NaiveFrame {
  const { type, fields } = readHeaderNaively(header);
  const carries = type === "data" || (type === "bitmap" && fields[0] === 2);
  must(carries === payload.length > 0, "a payload where one belongs");
  return { type, fields, payload };
}

type Check = (fields: readonly unknown[]) => boolean;

const isUint = (value: unknown) => typeof value === "number" && value >= 0;
const isPort = (value: unknown) => isUint(value) && Number(value) <= 65535;
const isBin = (length: number) => (value: unknown) =>
  value instanceof Uint8Array && value.length === length;
const isString = (bytesMax: number) => (value: unknown) =>
  typeof value === "string" && value !== "" && Buffer.byteLength(value) <= bytesMax;
const isPeer = (value: unknown) =>
  Array.isArray(value) && all(isString(253), isPort)(value) && value[1] > 0;
const isPeers = (value: unknown) =>
  Array.isArray(value) && value.length <= 50 && value.every(isPeer);
const isRun: Check = (fields) => all(isUint, isUint)(fields) && Number(fields[1]) > 0;

const FIELDS: Readonly<Record<string, Check>> = {
  hello: all(isUint, isBin(16), isBin(16), isBin(16), isPort, isUint),
  proof: all(isBin(32)),
  bitmap: all((kind) => kind === 0 || kind === 1 || kind === 2),
  have: isRun,
  request: isRun,
  data: all(isUint, isUint),
  refuse: (fields) => isRun(fields.slice(0, 2)) && all(isUint, isUint, isReason)(fields),
  cancel: isRun,
  peers: all(isPeers),
  ping: all(isUint),
  pong: all(isUint, isUint),
  bye: all(isString(255)),
};

function isReason(value: unknown): boolean {
  return isUint(value) && Number(value) < 5;
}

function all(...checks: readonly ((value: unknown) => boolean)[]): Check {
  return (fields) =>
    fields.length === checks.length && checks.every((check, at) => check(fields[at]));
}

/** Reads the msgpack that headers are made of: unsigned integers, texts, bytes and lists, each in its shortest form. */
class NaiveMsgpack {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  read(): unknown {
    const code = this.#take(1)[0] ?? 0;
    if (code < 0x80) return code;
    if (code >= 0x90 && code < 0xa0) return this.#list(code - 0x90);
    if (code >= 0xa0 && code < 0xc0) return this.#text(code - 0xa0);
    return this.#readLong(code);
  }

  #readLong(code: number): unknown {
    switch (code) {
      case 0xc4:
        return this.#take(this.#uint(1, 0)).slice();
      case 0xc5:
        return this.#take(this.#uint(2, 256)).slice();
      case 0xcc:
        return this.#uint(1, 128);
      case 0xcd:
        return this.#uint(2, 256);
      case 0xce:
        return this.#uint(4, 65536);
      case 0xd9:
        return this.#text(this.#uint(1, 32));
      case 0xda:
        return this.#text(this.#uint(2, 256));
      case 0xdc:
        return this.#list(this.#uint(2, 16));
      default:
        throw new Error(`No header has the code ${code}`);
    }
  }

  #take(count: number): Uint8Array {
    must(this.#at + count <= this.#bytes.length, "the header is whole");
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  #uint(count: number, min: number): number {
    const value = Number.parseInt(this.#take(count).toHex(), 16);
    must(value >= min, "the shortest form");
    return value;
  }

  #text(count: number): string {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.#take(count));
  }

  #list(count: number): unknown[] {
    return Array.from({ length: count }, () => this.read());
  }
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(`Not so: ${what}`);
}
