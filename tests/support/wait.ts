/** Longest that a test waits for something that must happen, unless it says otherwise: far above what a busy machine needs. */
export const WAIT_MS = 30_000;

/** Asks until there is an answer.
 * @param ask undefined or false: not yet
 * @param what is waited for, in words
 * @returns the first other answer
 * @throws {Error} when none came in time, with `what` and what `state` says */
export async function waitUntil<Answer>(
  ask: () => Answer | Promise<Answer>,
  what: string,
  options: { readonly timeoutMs?: number; readonly state?: () => string } = {},
): Promise<NonNullable<Exclude<Answer, false>>> {
  const { timeoutMs = WAIT_MS } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== null && answer !== false) {
      return answer as NonNullable<Exclude<Answer, false>>;
    }
    if (performance.now() > deadline) {
      throw new Error(`No ${what} within ${timeoutMs} ms. ${options.state?.() ?? ""}`);
    }
    await Bun.sleep(POLL_MS);
  }
}

const POLL_MS = 10;
