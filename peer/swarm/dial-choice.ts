import { type Entry, isGood } from "./address-entry.ts";
import type { AddressSource } from "./messages.ts";

/** Chooses whom to call next. Those that gave us something before, or that the user named, come first; of others as many from
 * each source, so that none of them can crowd out another, and of a tracker's as many that somebody reached as that nobody
 * did: addresses that are made up, or a victim's, must not keep us from those where a peer is, nor the other way round.
 * @param due who may be called now
 * @param mayTake whether one more of a source's strangers may be called
 * @param random from 0 to below 1 */
export function chooseToDial(
  due: readonly Entry[],
  mayTake: (source: AddressSource) => boolean,
  random: () => number,
): Entry | undefined {
  const good = due.filter(isGood);
  if (good.length > 0) return oneOf(good, random);
  const tracked = due.filter(({ source }) => source === "tracker");
  const kinds = [
    tracked.filter(({ isVerified }) => isVerified),
    tracked.filter(({ isVerified }) => !isVerified),
    due.filter(({ source }) => source === "exchange"),
  ].filter(([first]) => first !== undefined && mayTake(first.source));
  return oneOf(oneOf(kinds, random) ?? [], random);
}

function oneOf<Item>(items: readonly Item[], random: () => number): Item | undefined {
  return items[Math.floor(random() * items.length)];
}
