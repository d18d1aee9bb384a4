/** Gives the memory of a chunk that a socket gave, or of what else was used up, back at once; it has no bytes from then on. The
 * collector sees only a small object and no hurry: left to it, a download grew by 60 MiB, and collecting by hand took a tenth
 * of its CPU time.
 * @param chunk the only view on its buffer that is still in use, or not the last: then nothing happens */
export function letGo({ buffer, byteOffset, byteLength }: Uint8Array): void {
  const isLast = byteOffset + byteLength === buffer.byteLength;
  if (isLast && byteLength >= LARGE_BYTES && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** Smaller ones may be part of what others share. */
const LARGE_BYTES = 4096;
