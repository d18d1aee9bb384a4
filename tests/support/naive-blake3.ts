/** BLAKE3 as its specification says it, recursive and plain: what the peer's own hashing must agree with. Its numbers
 * are those of the paper (§2.1 to §2.5): the hash mode only, digests of 32 bytes. */

const IV = Uint32Array.of(
  ...[0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a],
  ...[0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
);
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
/** Columns, then diagonals, four numbers each. */
const QUARTERS = [
  ...[0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
  ...[0, 5, 10, 15, 1, 6, 11, 12, 2, 7, 8, 13, 3, 4, 9, 14],
];
const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;
const CHUNK_BYTES = 1024;
const BLOCK_BYTES = 64;

/** @returns the digest, 32 bytes */
export function naiveBlake3(content: Uint8Array): Uint8Array {
  return new Uint8Array(hashTree(content, 0, ROOT).buffer);
}

/** @param chunk the content's first chunk, counted in the whole
 * @returns eight words */
function hashTree(content: Uint8Array, chunk: number, root: number): Uint32Array<ArrayBuffer> {
  if (content.length <= CHUNK_BYTES) return hashChunk(content, chunk, root);
  let leftChunks = 1;
  while (leftChunks * 2 * CHUNK_BYTES < content.length) leftChunks *= 2;
  const words = new Uint32Array(16);
  words.set(hashTree(content.subarray(0, leftChunks * CHUNK_BYTES), chunk, 0));
  words.set(hashTree(content.subarray(leftChunks * CHUNK_BYTES), chunk + leftChunks, 0), 8);
  return compress(IV, words, { counter: 0, bytes: BLOCK_BYTES, flags: PARENT | root });
}

function hashChunk(content: Uint8Array, chunk: number, root: number): Uint32Array<ArrayBuffer> {
  let value = IV;
  for (let at = 0; at === 0 || at < content.length; at += BLOCK_BYTES) {
    const block = new Uint8Array(BLOCK_BYTES);
    const bytes = Math.min(BLOCK_BYTES, content.length - at);
    block.set(content.subarray(at, at + bytes));
    const isLast = at + BLOCK_BYTES >= content.length;
    const flags = (at === 0 ? CHUNK_START : 0) | (isLast ? CHUNK_END | root : 0);
    // Both the format and every machine that this runs on are little-endian.
    value = compress(value, new Uint32Array(block.buffer), { counter: chunk, bytes, flags });
  }
  return value;
}

function compress(
  value: Uint32Array,
  block: Uint32Array,
  { counter, bytes, flags }: { counter: number; bytes: number; flags: number },
): Uint32Array<ArrayBuffer> {
  const state = new Uint32Array(16);
  state.set(value);
  for (let at = 0; at < 4; at++) state[at + 8] = word(IV, at);
  state[12] = counter;
  state[13] = Math.floor(counter / 2 ** 32);
  state[14] = bytes;
  state[15] = flags;
  let words = block;
  for (let round = 0; round < 7; round++) {
    for (let at = 0; at < 8; at++) mix(state, at, word(words, at * 2), word(words, at * 2 + 1));
    words = permute(words);
  }
  const result = new Uint32Array(8);
  for (let at = 0; at < 8; at++) result[at] = word(state, at) ^ word(state, at + 8);
  return result;
}

function permute(words: Uint32Array): Uint32Array {
  const permuted = new Uint32Array(16);
  for (let at = 0; at < 16; at++) permuted[at] = word(words, PERMUTATION[at] as number);
  return permuted;
}

function mix(state: Uint32Array, quarter: number, first: number, second: number): void {
  const a = QUARTERS[quarter * 4] as number;
  const b = QUARTERS[quarter * 4 + 1] as number;
  const c = QUARTERS[quarter * 4 + 2] as number;
  const d = QUARTERS[quarter * 4 + 3] as number;
  state[a] = word(state, a) + word(state, b) + first;
  state[d] = turnRight(word(state, d) ^ word(state, a), 16);
  state[c] = word(state, c) + word(state, d);
  state[b] = turnRight(word(state, b) ^ word(state, c), 12);
  state[a] = word(state, a) + word(state, b) + second;
  state[d] = turnRight(word(state, d) ^ word(state, a), 8);
  state[c] = word(state, c) + word(state, d);
  state[b] = turnRight(word(state, b) ^ word(state, c), 7);
}

function word(words: Uint32Array, at: number): number {
  return words[at] as number;
}

function turnRight(value: number, bits: number): number {
  return (value >>> bits) | (value << (32 - bits));
}
