import { describe, expect, test } from "bun:test";
import { SendWindow } from "../../../peer/swarm/send-window.ts";
import { fractionsOf } from "../../support/swarm-fixtures.ts";

const KIB = 1024;
const MIB = KIB * KIB;
const BLOCK = 64 * KIB;
const WINDOW_MS = 250;

/** @param markBytesMin as SendPace.markBytesMin says it of one who takes so much a second */
function windowOf(
  windowMs = WINDOW_MS,
  seed = 1,
  markBytesMin: (bytesPerSecond: number) => number = () => 16 * KIB,
): SendWindow {
  const random = fractionsOf(seed);
  return new SendWindow({ windowMs, markBytesMin }, (below) => Math.floor(random() * below));
}

/** Sends so many blocks.
 * @returns the marks that went out behind them */
function send(window: SendWindow, blocks: number, nowMs: number, blockBytes = BLOCK): number[] {
  return Array.from({ length: blocks }, () => window.onSent(blockBytes, nowMs)).filter(
    (id) => id !== undefined,
  );
}

/** The pong of a mark comes, on a way back that takes no time.
 * @returns as SendWindow.onPong */
function answer(window: SendWindow, id: number, nowMs: number, readAtMs = nowMs): number {
  return window.onPong({ type: "pong", id, readAtMs }, nowMs);
}

const BYTES_PER_MS = 4096;

/** Sends as much as may be, each millisecond for a minute, over a line of BYTES_PER_MS.
 * @param options.backMs for how long the way back is held up besides, from 5 s on
 * @param options.isHiddenBack false for a pong that says when it came, not when it went
 * @param options.bytesPerMs what the line carries until GROWN_MS
 * @returns of its second half: how much of the line was used, and how long a block waited at most until it was on the line */
function fill(
  roundTripMs: number,
  { backMs = 0, isHiddenBack = true, windowMs = WINDOW_MS, bytesPerMs = BYTES_PER_MS } = {},
): { busy: number; mostWaitingMs: number } {
  const window = windowOf(windowMs);
  const marks: { readonly id: number; readonly readAtMs: number; readonly atMs: number }[] = [];
  let freeAtMs = 0;
  let arrived = 0;
  let mostWaitingMs = 0;
  const sendOne = (nowMs: number) => {
    if (nowMs > HALF_MS) mostWaitingMs = Math.max(mostWaitingMs, freeAtMs - nowMs);
    freeAtMs = Math.max(freeAtMs, nowMs) + BLOCK / (nowMs < GROWN_MS ? bytesPerMs : BYTES_PER_MS);
    const id = window.onSent(BLOCK, nowMs);
    const readAtMs = freeAtMs + roundTripMs / 2;
    const atMs = readAtMs + roundTripMs / 2 + (nowMs > 5000 ? backMs : 0);
    if (id !== undefined) marks.push({ id, readAtMs: isHiddenBack ? readAtMs : atMs, atMs });
  };
  for (let nowMs = 0; nowMs < 2 * HALF_MS; nowMs++) {
    for (; marks[0] !== undefined && marks[0].atMs <= nowMs; marks.shift()) {
      const bytes = answer(window, marks[0].id, nowMs, Math.floor(marks[0].readAtMs));
      // Files are read in so large blocks.
      expect(window.markBytes).toBeInteger();
      if (nowMs > HALF_MS) arrived += bytes;
    }
    while (!window.isFull) sendOne(nowMs);
  }
  return { busy: arrived / (BYTES_PER_MS * HALF_MS), mostWaitingMs };
}

const HALF_MS = 30_000;
const GROWN_MS = HALF_MS - 1000;

describe("SendWindow", () => {
  test("onSent wants a mark behind each 16 KiB at first, which nobody can guess", () => {
    const window = windowOf();
    const marks = send(window, 64, 0, 4 * KIB);
    expect(marks).toHaveLength(16);
    expect(new Set(marks).size).toBe(16);
    for (const id of marks) {
      expect(id).toBeGreaterThanOrEqual(2 ** 31);
      expect(id).toBeLessThan(2 ** 32);
    }
    expect(send(windowOf(WINDOW_MS, 2), 64, 0, 4 * KIB)).not.toEqual(marks);
  });

  test("isFull from 128 KiB on that have not arrived, as far as is known", () => {
    const window = windowOf();
    const [first = 0] = send(window, 1, 0);
    expect(window.isFull).toBe(false);
    const [second = 0] = send(window, 1, 0);
    expect(window.isFull).toBe(true);
    // The slowest line: it gets no wider.
    expect(answer(window, first, 10_000)).toBe(BLOCK);
    expect(window.isFull).toBe(false);
    send(window, 1, 10_000);
    expect(window.isFull).toBe(true);
    expect(answer(window, second, 20_000)).toBe(BLOCK);
    expect(window.isFull).toBe(false);
  });

  test("onPong takes a mark for all before it, and what answers none for nothing", () => {
    const window = windowOf();
    const [first = 0, second = 0, third = 0] = send(window, 3, 0);
    expect(answer(window, 7, 5000)).toBe(0);
    expect(window.isFull).toBe(true);
    expect(answer(window, second, 5000)).toBe(2 * BLOCK);
    expect(answer(window, first, 5000)).toBe(0);
    expect(answer(window, second, 5000)).toBe(0);
    expect(window.isFull).toBe(false);
    expect(answer(window, third, 5000)).toBe(BLOCK);
  });

  test("isFull when as much is under way as the line carries in its time and a little more, however long it is", () => {
    for (const roundTripMs of [1, 50, 400, 1200]) {
      const { busy, mostWaitingMs } = fill(roundTripMs);
      expect(busy).toBeGreaterThan(0.95);
      expect(mostWaitingMs).toBeLessThan(1.2 * WINDOW_MS + 2 * (BLOCK / BYTES_PER_MS));
    }
  });

  test("isFull no sooner for what holds up the pongs: a line that is full the other way", () => {
    const options = { backMs: 300, windowMs: 50 };
    const { busy, mostWaitingMs } = fill(20, options);
    expect(busy).toBeGreaterThan(0.95);
    expect(mostWaitingMs).toBeLessThan(3 * 50);
    // Nor is it kept from finding soon that the line carries ten times as much.
    expect(fill(20, { ...options, bytesPerMs: BYTES_PER_MS / 10 }).busy).toBeGreaterThan(0.97);
    // Negative control: where the way back counts, less and less is sent.
    expect(fill(20, { ...options, isHiddenBack: false }).busy).toBeLessThan(0.3);
  });

  test("isFull comes to an end also when the line has become slow and no mark stands behind the last", () => {
    const window = windowOf();
    const [fast = 0] = send(window, 1, 0);
    answer(window, fast, 1);
    // A mark is due far less often now.
    const marks = send(window, 40, 1);
    expect(marks.length).toBeLessThan(5);
    expect(send(window, 20, 1)).toEqual([]);
    answer(window, marks.at(-1) ?? 0, 100_000);
    expect(window.isFull).toBe(false);
    expect(window.markBytes).toBe(16 * KIB);
  });

  test("markBytes are no fewer than what is asked of who takes so much, and two of them may be under way", () => {
    /** @returns behind how much marks are due, and how much may be under way, once so much came a second, all of it late */
    const play = (bytesPerSecond: number, leastBytes: number) => {
      const window = windowOf(50, 1, (rate) => (rate >= MIB ? leastBytes : 16 * KIB));
      const blocks = Math.max(1, leastBytes / BLOCK);
      let nowMs = 0;
      for (let times = 0; times < 40; times++) {
        const before = nowMs;
        const marks = send(window, blocks, before);
        // Each takes as long as that rate says, and waits for nearly all of it from the second on.
        nowMs += (blocks * BLOCK * 1000) / bytesPerSecond;
        answer(window, marks.at(-1) ?? 0, nowMs, times === 0 ? before : nowMs);
      }
      let bytes = 0;
      for (; !window.isFull && bytes < 64 * MIB; bytes += 16 * KIB) window.onSent(16 * KIB, nowMs);
      return { markBytes: window.markBytes, windowBytes: bytes };
    };
    const fast = play(4 * MIB, 256 * KIB);
    expect(fast.markBytes).toBe(256 * KIB);
    expect(fast.windowBytes).toBe(512 * KIB);
    // Beside fast ones, a slow one.
    const slow = play(MIB / 8, 256 * KIB);
    expect(slow.markBytes).toBe(16 * KIB);
    expect(slow.windowBytes).toBe(32 * KIB);
    // Negative control: where nothing asks for more.
    expect(play(4 * MIB, 16 * KIB).markBytes).toBeLessThan(64 * KIB);
  });

  test("markBytes grow with what arrives, to 4 MiB", () => {
    const window = windowOf();
    expect(window.markBytes).toBe(16 * KIB);
    const marks = send(window, 64, 0);
    answer(window, marks.at(-1) ?? 0, 250);
    // 4 MiB in 250 ms: twice as much may be under way.
    expect(window.markBytes).toBe(MIB);
    const [mark = 0] = send(window, 16, 1000);
    answer(window, mark, 1001);
    expect(window.markBytes).toBe(4 * MIB);
  });

  test("SRV-7: stuckMs counts from when anything of what is under way was last known to have arrived", () => {
    const window = windowOf();
    expect(window.stuckMs(1e9)).toBe(0);
    const [first = 0, second = 0] = send(window, 2, 1000);
    expect(window.stuckMs(4000)).toBe(3000);
    // A pong that somebody made up does not help him.
    answer(window, first + 1, 4000);
    expect(window.stuckMs(4000)).toBe(3000);
    answer(window, first, 4000);
    expect(window.stuckMs(6999)).toBe(2999);
    answer(window, second, 7000);
    expect(window.stuckMs(1e9)).toBe(0);
    send(window, 1, 1e9);
    expect(window.stuckMs(1e9 + 10)).toBe(10);
  });

  test("onServe marks what goes out when nothing is under way, and so learns how long the way is", () => {
    const window = windowOf();
    expect(window.roundTripMs).toBe(0);
    const id = window.onServe(100);
    expect(id).toBeDefined();
    send(window, 4, 100);
    expect(window.onServe(100)).toBeUndefined();
    expect(answer(window, id ?? 0, 180)).toBe(0);
    expect(window.roundTripMs).toBe(80);
    // Negative control: what came later through a line that was full by then is no longer way.
    const [late = 0] = send(window, 1, 180);
    answer(window, late, 5000);
    expect(window.roundTripMs).toBe(80);
    const shorter = window.onServe(6000);
    answer(window, shorter ?? 0, 6020);
    expect(window.roundTripMs).toBe(20);
    // Not before each of many runs a second.
    expect(window.onServe(6999)).toBeUndefined();
    expect(window.onServe(7000)).toBeDefined();
  });

  test("isFull never with a window of any size, whose marks still show who is stuck", () => {
    const window = windowOf(Number.POSITIVE_INFINITY);
    expect(send(window, 640, 0)).toHaveLength(10);
    expect(window.isFull).toBe(false);
    expect(window.stuckMs(3000)).toBe(3000);
  });

  test("bytesPerSecond is a mean, not what the last answer says, and unknown before the first", () => {
    const window = windowOf();
    expect([window.isProven, window.bytesPerSecond]).toEqual([false, undefined]);
    const rateAfter = (atMs: number, tookMs: number) => {
      for (const id of send(window, 1, atMs)) answer(window, id, atMs + tookMs);
      return (window.bytesPerSecond ?? 0) / MIB;
    };
    for (let round = 0; round < 20; round++) rateAfter(1000 * round, 62.5);
    expect([window.isProven, rateAfter(20_000, 62.5)]).toEqual([true, 1]);
    // One that seems to have taken nothing of the time, as behind a pause of our own.
    expect(rateAfter(21_000, 1)).toBeCloseTo(1 + (62.5 - 1) / 4, 3);
  });
});
