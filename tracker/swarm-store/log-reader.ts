import { ADDRESS_CLASSES, type AddressClass } from "../../protocol/address-policy.ts";
import { parseSwarmHash, type SwarmHash } from "../../protocol/ids.ts";
import { keyOfBytes } from "../name-key.ts";
import type { NumberedRow } from "./peer-log.ts";

/** Reads rows of a log that are given as bytes: a line each, `SEQ SWARM HOST PORT ZONE PEER COMPLETE EXPIRES` in ASCII, `-` for
 * what is not told. A tracker that starts reads a million of them: they are taken apart where they lie, since a text for every
 * field would cost most of the time and half a gigabyte of garbage. */
export class LogReader {
  /** Each name once: what is looked up again and again as the same text is found faster. */
  readonly #swarms = new Map<number, SwarmHash>();

  /** @returns the rows of a page; what no tracker wrote is left out */
  read(page: Buffer): readonly NumberedRow[] {
    const rows: NumberedRow[] = [];
    for (let at = 0; at < page.length; ) {
      const fields = new Fields(page, at);
      const row = this.#readRow(fields);
      if (row !== undefined) rows.push(row);
      at = fields.skipLine();
    }
    return rows;
  }

  /** Forgets the names. */
  clear(): void {
    this.#swarms.clear();
  }

  #readRow(fields: Fields): NumberedRow | undefined {
    const seq = fields.number();
    const swarm = this.#swarmOf(fields);
    const host = fields.text();
    const port = fields.number();
    const zone = fields.zone();
    const peer = fields.key();
    const complete = fields.number();
    const expires = fields.number();
    if (seq === undefined || swarm === undefined || host === undefined) return undefined;
    if (port === undefined || port > PORT_MAX) return undefined;
    if (zone === undefined || expires === undefined) return undefined;
    return {
      seq,
      swarm,
      host,
      port,
      zone,
      peer: peer ?? 0,
      complete: complete === undefined ? undefined : complete === 1,
      expires,
    };
  }

  #swarmOf(fields: Fields): SwarmHash | undefined {
    const key = fields.key();
    if (key === undefined) return undefined;
    const known = this.#swarms.get(key);
    if (known !== undefined) return known;
    const swarm = parseSwarmHash(fields.last());
    if (swarm !== undefined) this.#swarms.set(key, swarm);
    return swarm;
  }
}

/** The fields of one line, one after the other; undefined for one that is not told, not there, or not what was asked for. */
class Fields {
  readonly #page: Buffer;
  /** Where the next field begins. */
  #at: number;
  #start = 0;
  #end = 0;

  constructor(page: Buffer, at: number) {
    this.#page = page;
    this.#at = at;
  }

  number(): number | undefined {
    this.#next();
    let value = 0;
    for (let at = this.#start; at < this.#end; at++) {
      const digit = (this.#page[at] ?? 0) - DIGIT_ZERO;
      if (digit < 0 || digit > 9) return undefined;
      value = value * 10 + digit;
    }
    return this.#end > this.#start && Number.isSafeInteger(value) ? value : undefined;
  }

  text(): string | undefined {
    this.#next();
    return this.#isTold() ? this.last() : undefined;
  }

  /** @returns the key of a text */
  key(): number | undefined {
    this.#next();
    return this.#isTold() ? keyOfBytes(this.#page, this.#start, this.#end) : undefined;
  }

  zone(): AddressClass | undefined {
    this.#next();
    return ADDRESS_CLASSES.find((zone) => this.#is(zone));
  }

  /** @returns the text of the last field that was asked for */
  last(): string {
    return this.#page.toString("latin1", this.#start, this.#end);
  }

  /** @returns where the next line begins */
  skipLine(): number {
    while (this.#at < this.#page.length && this.#page[this.#at] !== NEWLINE) this.#at++;
    return this.#at + 1;
  }

  /** At a line's end there is an empty field, however often it is asked for. */
  #next(): void {
    const page = this.#page;
    this.#start = this.#at;
    let end = this.#at;
    while (end < page.length && page[end] !== SPACE && page[end] !== NEWLINE) end++;
    this.#end = end;
    this.#at = page[end] === SPACE ? end + 1 : end;
  }

  #isTold(): boolean {
    const length = this.#end - this.#start;
    return length > 1 || (length === 1 && this.#page[this.#start] !== DASH);
  }

  #is(text: string): boolean {
    if (this.#end - this.#start !== text.length) return false;
    for (let at = 0; at < text.length; at++) {
      if (this.#page[this.#start + at] !== text.charCodeAt(at)) return false;
    }
    return true;
  }
}

const SPACE = 0x20;
const NEWLINE = 0x0a;
const DASH = 0x2d;
const DIGIT_ZERO = 0x30;
const PORT_MAX = 65_535;
