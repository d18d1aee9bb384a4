import { describe, expect, test } from "bun:test";
import { Intake } from "../../../peer/swarm/intake.ts";

const SHARE = 0.5;

/** So many bytes every 250 ms, from one time to another in seconds. */
function feed(intake: Intake, bytes: number, fromS: number, toS: number): void {
  for (let ms = 1000 * fromS; ms < 1000 * toS; ms += 250) intake.onArrived(bytes, ms);
}

describe("Intake", () => {
  test("isFlowing from the first that comes until nothing has come for a second and a half", () => {
    const intake = new Intake(SHARE);
    expect(intake.isFlowing(0)).toBe(false);
    intake.onArrived(1, 1000);
    expect([1000, 1250, 2500, 2750, 90_000].map((nowMs) => intake.isFlowing(nowMs))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  test("isFull while about as much comes as ever did lately, once some seconds are known", () => {
    const intake = new Intake(SHARE);
    expect(intake.isFull(0)).toBe(false);
    feed(intake, 1000, 100, 103);
    expect(intake.isFull(103_000)).toBe(false);
    feed(intake, 1000, 103, 110);
    expect(intake.isFull(110_000)).toBe(true);
    feed(intake, 600, 110, 120);
    expect(intake.isFull(120_000)).toBe(true);
    feed(intake, 400, 120, 122);
    expect(intake.isFull(122_000)).toBe(false);
    // Negative control: with infinity it never is.
    const never = new Intake(Number.POSITIVE_INFINITY);
    feed(never, 1000, 0, 10);
    expect(never.isFull(10_000)).toBe(false);
  });

  test("isFull ends within two seconds when nothing comes any more, and stays so", () => {
    const intake = new Intake(SHARE);
    feed(intake, 1000, 0, 10);
    expect(intake.isFull(10_500)).toBe(true);
    expect(intake.isFull(12_000)).toBe(false);
    expect(intake.isFull(1e9)).toBe(false);
  });

  test("isFull is not misled by what buffers let through at once", () => {
    const intake = new Intake(SHARE);
    feed(intake, 1000, 0, 10);
    intake.onArrived(10_000, 10_000);
    feed(intake, 1000, 10.25, 20);
    expect(intake.isFull(20_000)).toBe(true);
  });

  test("isFull forgets after a minute what came once", () => {
    const intake = new Intake(SHARE);
    feed(intake, 10_000, 0, 10);
    feed(intake, 1000, 10, 40);
    expect(intake.isFull(40_000)).toBe(false);
    feed(intake, 1000, 40, 75);
    expect(intake.isFull(75_000)).toBe(true);
  });
});
