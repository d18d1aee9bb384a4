import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import * as announce from "../../protocol/announce.ts";
import * as announceLimits from "../../protocol/announce-limits.ts";
import { decodeHeader } from "../../protocol/header.ts";
import * as limits from "../../protocol/limits.ts";
import { BITMAP_KINDS, MESSAGE_CODES, REFUSE_REASONS } from "../../protocol/messages.ts";
import { encodePreface } from "../../protocol/session.ts";
import { goldenTorrent } from "../support/torrent-corpus.ts";
import { decodeAll, encodeCase, goldenHandshakes, goldenMessages } from "../support/wire.ts";

// Tables are padded for the eye; a cell is the same without.
const SPEC = readProtocolFile("SPEC.md").replace(/ {2,}/g, " ");
const ERRORS = readProtocolFile("errors.ts");

describe("SPEC.md", () => {
  test("SPEC.md gives every message type a section, a row with its code, and a golden example", () => {
    const messages = section("4");
    const sections = [...messages.matchAll(/^### (.+)$/gm)].flatMap(([, title = ""]) =>
      title.split(" and "),
    );
    expect(sections).toEqual(Object.keys(MESSAGE_CODES));
    for (const [type, code] of Object.entries(MESSAGE_CODES)) {
      expect(messages).toMatch(new RegExp(`^\\| \`${type}\` \\| ${code} \\| \`\\[${code}, `, "m"));
    }
    const shown = new Set(examples().map((frame) => decodeHeader(headerOf(frame)).type));
    expect([...shown].toSorted()).toEqual(Object.keys(MESSAGE_CODES).toSorted() as never[]);
  });

  test("SPEC.md's examples are golden frames, which the code reads and writes", () => {
    const golden = new Set(goldenMessages.map(({ frame }) => frame.toHex()));
    expect(examples().length).toBeGreaterThanOrEqual(14);
    for (const frame of examples()) {
      expect(golden).toContain(frame.toHex());
      const [only] = decodeAll([frame]);
      expect(only === undefined ? undefined : encodeCase(only)).toEqual(frame);
    }
  });

  test("SPEC.md numbers the bitmap's kinds and the refusal's reasons as the code does", () => {
    const kinds = BITMAP_KINDS.map((kind, at) => `${at} ${kind}`).join(", ");
    expect(section("4")).toContain(`\`kind\`: ${kinds}.`);
    for (const [at, reason] of REFUSE_REASONS.entries()) {
      expect(section("4")).toContain(`${at} _${reason}_`);
    }
  });

  test("SPEC.md names exactly the torrent's error codes", () => {
    expect(codesOfTable("1.1").toSorted()).toEqual(codesOfType("TorrentErrorCode").toSorted());
  });

  test("SPEC.md names exactly the connection's error codes, and no others anywhere", () => {
    const codes = codesOfType("ProtocolErrorCode");
    expect(codesOfTable("7").toSorted()).toEqual(codes.toSorted());
    const bracketed = ["2", "3", "4"].flatMap((number) =>
      [...section(number).matchAll(/\(`([a-z_]+)`\)/g)].map(([, code = ""]) => code),
    );
    expect(bracketed.length).toBeGreaterThan(15);
    for (const code of bracketed) expect(codes).toContain(code);
  });

  test("SPEC.md names exactly the limits there are, each with its value", () => {
    const numbers = (module: object) =>
      Object.fromEntries(Object.entries(module).filter(([, value]) => typeof value === "number"));
    expect(limitsOfSection("5")).toEqual(numbers(limits));
    expect(limitsOfSection("6")).toEqual(numbers(announceLimits));
  });

  test("SPEC.md uses no name of a limit that does not exist", () => {
    const known = new Set([...Object.keys(limits), ...Object.keys(announceLimits)]);
    const used = [...SPEC.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, name = ""]) => name);
    expect(used.length).toBeGreaterThan(50);
    for (const name of used) expect(known).toContain(name);
  });

  test("SPEC.md shows the prefaces and the golden handshake", () => {
    for (const mode of ["tls", "plain"] as const) {
      expect(section("2.1")).toContain(`in mode ${mode}: \`${encodePreface(mode).toHex()}\``);
    }
    const [golden] = goldenHandshakes;
    expect(golden?.mode).toBe("plain");
    expect(section("2.3")).toContain(`\`${golden?.torrentDigest}\``);
    for (const { by, what, bytes } of golden?.said ?? []) {
      expect(section("2.3")).toContain(`| ${by} | ${what} | \`${bytes}\` |`);
    }
  });

  test("SPEC.md shows the canonical bytes and the digest of the torrent of an empty file", () => {
    const { digest } = goldenTorrent("size_zero").expect;
    const text = section("1.2");
    expect(text).toContain(`\`${digest}\``);
    const canonical = [...text.slice(text.indexOf("For `Size` 0")).matchAll(/`([0-9a-f]{2,})`/g)]
      .map(([, hex = ""]) => hex)
      .filter((hex) => hex !== digest)
      .join("");
    const hasher = new Bun.CryptoHasher("sha256").update(Uint8Array.fromHex(canonical));
    expect(hasher.digest("hex")).toBe(digest);
  });

  test("SPEC.md names every field of the tracker's API", () => {
    const schemas = [
      announce.HashRequest,
      announce.HashResponse,
      announce.PeersRequest,
      announce.PeersResponse,
      announce.PeerAddress,
      announce.ErrorResponse,
    ];
    for (const field of schemas.flatMap((schema) => Object.keys(schema.properties))) {
      expect(section("6")).toMatch(new RegExp(`[\`"]${field}[\`"]`));
    }
  });
});

/** @returns the text under a heading, that of its subsections included */
function section(number: string): string {
  const level = number.includes(".") ? "###" : "##";
  const start = SPEC.search(new RegExp(`^${level} ${number.replace(".", "\\.")}[. ]`, "m"));
  expect(start).toBeGreaterThanOrEqual(0);
  const body = SPEC.slice(start + level.length + 1);
  const end = body.search(level === "##" ? /^## /m : /^##/m);
  return end < 0 ? body : body.slice(0, end);
}

function examples(): Uint8Array[] {
  return [...section("4").matchAll(/^- .*: `([0-9a-f]+)`$/gm)].map(([, hex = ""]) =>
    Uint8Array.fromHex(hex),
  );
}

function headerOf(frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset);
  return frame.subarray(6, 6 + view.getUint16(4));
}

function codesOfTable(number: string): string[] {
  return [...section(number).matchAll(/^\| `([a-z0-9_]+)` \|/gm)].map(([, code = ""]) => code);
}

/** The codes are types only, so they are read from the source. */
function codesOfType(name: string): string[] {
  const [, union = ""] = new RegExp(`export type ${name} =([^;]+);`).exec(ERRORS) ?? [];
  const codes = [...union.matchAll(/"([a-z0-9_]+)"/g)].map(([, code = ""]) => code);
  expect(codes.length).toBeGreaterThan(10);
  return codes;
}

function limitsOfSection(number: string): Record<string, number> {
  const rows = section(number).matchAll(/^\| `([A-Z_]+)` \| ([0-9,]+) \|/gm);
  return Object.fromEntries(
    [...rows].map(([, name = "", value = ""]) => [name, Number(value.replaceAll(",", ""))]),
  );
}

function readProtocolFile(name: string): string {
  return readFileSync(new URL(`../../protocol/${name}`, import.meta.url), "utf8");
}
