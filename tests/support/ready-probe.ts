/** What somebody saw who asked again and again. */
export interface Probed {
  /** How often the answer was right. */
  readonly ready: number;
  readonly missed: number;
  /** In milliseconds, the quickest first. */
  readonly answeredMs: readonly number[];
}

export interface ProbeOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly pauseMs: number;
}

/** Asks a tracker whether it is ready, on a new connection each time, until told to stop. */
export async function probeReady(
  url: string,
  signal: AbortSignal,
  { headers = {}, pauseMs }: ProbeOptions,
): Promise<Probed> {
  const answeredMs: number[] = [];
  let missed = 0;
  while (!signal.aborted) {
    const startMs = performance.now();
    const isReady = await fetch(`${url}/ready`, { keepalive: false, headers }).then(
      async (answer) => answer.status === 200 && (await answer.text()) === "I am ready",
      () => false,
    );
    if (isReady) answeredMs.push(performance.now() - startMs);
    else missed++;
    await Bun.sleep(pauseMs);
  }
  answeredMs.sort((left, right) => left - right);
  return { ready: answeredMs.length, missed, answeredMs };
}

/** @param part 0.99 for the time that 99 of 100 did not exceed */
export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}
