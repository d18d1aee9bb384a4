import { describe, expect, test } from "bun:test";
import { Dialler } from "../../../peer/transfer/dialler.ts";
import { HostTries } from "../../../peer/transfer/host-tries.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { connectPair } from "../../support/sockets.ts";

const MINUTE_MS = 60_000;
const never = new AbortController().signal;

describe("HostTries", () => {
  test("CLI-3: take lets a machine out there be called three times in any ten minutes", async () => {
    const clock = new FakeClock();
    const tries = new HostTries(clock);
    const calledMs: number[] = [];
    for (let minute = 0; minute < 60; minute++) {
      for (let call = 0; call < 10; call++) if (tries.take("8.8.8.8")) calledMs.push(clock.now());
      await clock.advance(MINUTE_MS);
    }
    const most = calledMs.map(
      (from) => calledMs.filter((at) => at >= from && at < from + 10 * MINUTE_MS).length,
    );
    expect(Math.max(...most)).toBe(3);
    // Negative control: it is not given up either.
    expect(calledMs.length).toBe(3 * 6);
    expect(tries.take("8.8.4.4")).toBe(true);
  });

  test("take counts nothing in networks of one's own, and begins anew with one that is a peer", () => {
    const tries = new HostTries(new FakeClock());
    for (let call = 0; call < 100; call++) {
      for (const host of ["127.0.0.1", "10.0.0.1", "fd00::1"]) expect(tries.take(host)).toBe(true);
      expect(tries.take("8.8.8.8")).toBe(true);
      tries.clear("8.8.8.8");
    }
  });
});

describe("Dialler", () => {
  test("CLI-3: connect calls a machine that has thousands of names and ports three times", async () => {
    const clock = new FakeClock();
    let calls = 0;
    const dialler = new Dialler(clock, {
      lookup: async () => ["8.8.8.8"],
      dial: () => {
        calls++;
        return Promise.reject(new Error("It does not answer"));
      },
    });
    const byFar = { isUsers: false, teller: "9.9.9.9" };
    const attempts = Array.from({ length: 5000 }, (_, at) => {
      const host = at % 2 === 0 ? "8.8.8.8" : `n${at}.example`;
      const connecting = dialler.connect({ host, port: 2000 + at }, byFar, never);
      return connecting.catch(() => undefined);
    });
    await Promise.all(attempts);
    expect(calls).toBe(3);
    // Negative control: the user may call it as often as he likes.
    const byUser = { isUsers: true, teller: undefined };
    for (let call = 0; call < 10; call++)
      await dialler.connect({ host: "8.8.8.8", port: 2000 }, byUser, never).catch(() => undefined);
    expect(calls).toBe(13);
  });

  test("CLI-3: connect has eight under way at once, of all swarms, and the user's beside them", async () => {
    await using pair = await connectPair();
    const answers: (() => void)[] = [];
    const dialler = new Dialler(new FakeClock(), {
      lookup: async (name) => [name],
      dial: () =>
        new Promise((resolve) => {
          answers.push(() => resolve(pair.near));
        }),
    });
    const byNear = { isUsers: false, teller: "127.0.0.1" };
    const stop = new AbortController();
    const connecting = Array.from({ length: 20 }, (_, at) =>
      dialler.connect({ host: "127.0.0.1", port: 2000 + at }, byNear, stop.signal),
    );
    await Bun.sleep(5);
    expect(answers).toHaveLength(8);
    answers.shift()?.();
    await Bun.sleep(5);
    expect(answers).toHaveLength(8);
    void dialler.connect({ host: "1.2.3.4", port: 1 }, { ...byNear, isUsers: true }, never);
    await Bun.sleep(5);
    expect(answers).toHaveLength(9);
    // Those that wait end with their swarm.
    stop.abort(new Error("over"));
    for (const answer of answers) answer();
    const outcomes = await Promise.allSettled(connecting);
    expect(outcomes.filter(({ status }) => status === "rejected")).toHaveLength(11);
  });
});
