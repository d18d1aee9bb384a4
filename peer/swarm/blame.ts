import type { Address } from "../../protocol/address.ts";
import { formatAddress } from "../../protocol/address.ts";
import type { PartIndex } from "../../protocol/geometry.ts";

/** Who sent which part wrong.
 *
 * One part comes from one peer, so a wrong one has one culprit. But when several send the same part wrong, it may be the
 * torrent that is wrong, or this machine's memory: then nobody more is banned for it, and when nobody is left who could
 * still send it right, it is a suspect. */
export class Blame {
  readonly #senders = new Map<PartIndex, Set<string>>();
  /** When there last was somebody who could send the part right. */
  readonly #hopeAtMs = new Map<PartIndex, number>();

  /** Notes a wrong part.
   * @returns whether its sender is to be banned */
  note(part: PartIndex, sender: Address, nowMs: number): boolean {
    const senders = this.#senders.get(part) ?? new Set();
    this.#senders.set(part, senders.add(formatAddress(sender)));
    if (senders.size < SUSPECT_PEERS) return true;
    this.#hopeAtMs.set(part, nowMs);
    return false;
  }

  /** @returns the parts that the sender sent wrong: it is not asked for them again */
  partsOf(sender: Address): readonly PartIndex[] {
    if (this.#senders.size === 0) return [];
    const key = formatAddress(sender);
    return [...this.#senders].filter(([, senders]) => senders.has(key)).map(([part]) => part);
  }

  /** @param isHopeful whether the part is there, or somebody not to blame has it
   * @returns the parts to give up, each once */
  *giveUp(isHopeful: (part: PartIndex) => boolean, nowMs: number): Generator<PartIndex> {
    for (const [part, hopeAtMs] of this.#hopeAtMs) {
      if (isHopeful(part)) this.#hopeAtMs.set(part, nowMs);
      else if (nowMs - hopeAtMs > HOPE_MS_MAX) {
        this.#hopeAtMs.delete(part);
        yield part;
      }
    }
  }
}

/** So many different senders of one wrong part may well be right. */
const SUSPECT_PEERS = 3;
/** How long somebody who could send it right is waited for. */
const HOPE_MS_MAX = 10_000;
