import type { Bitfield } from "../../protocol/bitfield.ts";

/** Sets of parts, a run at a time. */

/** Sets in `into` every bit that `bits` has. */
export function addAll(into: Bitfield, bits: Bitfield): void {
  for (const [first, count] of bits.runs(true)) into.setRun(first, count);
}

/** Clears in `from` every bit that `bits` has. */
export function removeAll(from: Bitfield, bits: Bitfield): void {
  for (const [first, count] of bits.runs(true)) {
    for (let at = first; at < first + count; at++) from.clear(at);
  }
}
