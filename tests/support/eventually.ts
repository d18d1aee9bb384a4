/** Asks until the answer is wanted.
 * @throws when that takes longer than `timeoutMs`, with the last answer */
export async function eventually<Value>(
  ask: () => Value,
  isWanted: (value: Value) => boolean,
  timeoutMs = 10_000,
): Promise<Value> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = ask();
    if (isWanted(value)) return value;
    if (performance.now() > deadline)
      throw new Error(`Still not so after ${timeoutMs} ms: ${Bun.inspect(value)}`);
    await Bun.sleep(5);
  }
}

/** @returns the promise's failure; throws when there is none */
export async function failureOf(done: Promise<unknown>): Promise<Error> {
  try {
    await done;
  } catch (cause) {
    if (cause instanceof Error) return cause;
    throw new Error(`Not an Error: ${Bun.inspect(cause)}`, { cause });
  }
  throw new Error("No failure, expected one");
}

/** @returns the code of the promise's failure; throws when there is none */
export async function failureCode(done: Promise<unknown>): Promise<string> {
  const failure = await failureOf(done);
  return "code" in failure ? String(failure.code) : `${failure.name}: ${failure.message}`;
}
