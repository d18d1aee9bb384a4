import type { Blake3Hasher } from "@napi-rs/blake-hash";

/** BLAKE3, by a native library that a machine may lack. It is loaded when the first torrent asks for it: nobody else waits
 * for that, and a peer without it works with all other torrents. */

const LIBRARY = "@napi-rs/blake-hash";
const DIGEST_BYTES = 32;

/** Hashes one content after the other. */
export class Blake3 {
  readonly #hasher: Blake3Hasher;
  readonly #digest = new Uint8Array(DIGEST_BYTES);

  /** @throws whatever keeps the library from being loaded: ask `blake3Fault` before */
  constructor() {
    const { Blake3Hasher } = load();
    this.#hasher = new Blake3Hasher();
  }

  /** @param chunk the next bytes; not kept */
  update(chunk: Uint8Array): void {
    this.#hasher.update(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
  }

  /** Ends the content; the next `update` begins another.
   * @returns its digest, valid until the next call */
  digest(): Uint8Array {
    // As text: the buffers that the library gives instead cost more time, and a gigabyte of small parts fills the memory
    // with them.
    this.#digest.setFromHex(this.#hasher.digest());
    this.#hasher.reset();
    return this.#digest;
  }

  /** @returns the digest of a whole content, valid until the next call of any kind */
  digestOf(content: Uint8Array): Uint8Array {
    this.update(content);
    return this.digest();
  }
}

/** @param tryLoading throws what keeps the library from being loaded
 * @returns why this machine cannot hash so, in words that go on from "Algorithm is blake3, and"; undefined when it can */
export function blake3Fault(tryLoading: () => unknown = load): string | undefined {
  try {
    tryLoading();
    return undefined;
  } catch (cause) {
    return `its library ${LIBRARY} ${describe(cause)}`;
  }
}

function load(): typeof import("@napi-rs/blake-hash") {
  return require("@napi-rs/blake-hash");
}

/** The library's own message speaks of another package manager's faults; its causes are what it tried, the last first. */
function describe(cause: unknown): string {
  const [first] = chainOf(cause);
  const isMissing = first !== undefined && codeOf(first) === "MODULE_NOT_FOUND";
  // Its addons are packages of their own, and missing ones are reported alike.
  if (isMissing && first.message.includes(`'${LIBRARY}'`)) return "is not installed";
  const refused = chainOf(cause).find((error) => codeOf(error) === "ERR_DLOPEN_FAILED");
  if (refused !== undefined) return `cannot be opened (${refused.message})`;
  return `has no addon for ${process.platform}-${process.arch} here`;
}

function chainOf(cause: unknown): readonly Error[] {
  const chain: Error[] = [];
  for (let at = cause; at instanceof Error && chain.length < CAUSES_MAX; at = at.cause) {
    chain.push(at);
  }
  return chain;
}

/** More than there are ways to look for an addon. */
const CAUSES_MAX = 16;

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : "";
}
