/** What everybody may know of a tracker: totals, and nothing of any one swarm or peer. */
export interface Figures {
  readonly swarms: number;
  /** Peers that have every part. */
  readonly complete: number;
  /** Peers that miss parts. */
  readonly incomplete: number;
  /** Announces answered since the start. */
  readonly announces: number;
  /** The mean of the last ten seconds. */
  readonly announcesPerSecond: number;
  readonly uptimeSeconds: number;
  /** As in package.json. */
  readonly version: string;
}

const NUMBER = new Intl.NumberFormat("en-GB");

/** @returns `1,234.5`: as the page's script writes it too */
export function formatNumber(value: number): string {
  return NUMBER.format(value);
}

/** @returns the two largest units, `3 d 4 h`: as the page's script writes it too */
export function formatDuration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (minutes < 1) return `${seconds} s`;
  if (hours < 1) return `${minutes} min ${seconds % 60} s`;
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${formatNumber(Math.floor(hours / 24))} d ${hours % 24} h`;
}

/** Peers as the bar shows them.
 * @returns how many of a hundred are complete; undefined when there is nobody */
export function percentComplete({ complete, incomplete }: Figures): number | undefined {
  const peers = complete + incomplete;
  return peers === 0 ? undefined : (100 * complete) / peers;
}
