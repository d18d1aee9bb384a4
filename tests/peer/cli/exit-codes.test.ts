import { describe, expect, test } from "bun:test";
import {
  EXIT_CODES,
  formatErrorLine,
  Interruption,
  isFailure,
  OutputClosedError,
  toExit,
  toResult,
} from "../../../peer/cli/exit-codes.ts";
import {
  IncompleteError,
  IntegrityError,
  NotFoundError,
  StorageError,
  TimeoutError,
  TrackerError,
  TransportError,
  UsageError,
} from "../../../peer/errors.ts";
import { InvariantError, ProtocolError, TorrentError } from "../../../protocol/errors.ts";

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: it failed`), { code });
}

describe("toExit", () => {
  test("toExit gives every error of the table its exit code and name", () => {
    const cases: readonly (readonly [unknown, number, string])[] = [
      [new InvariantError("x"), 1, "error"],
      [new TypeError("x"), 1, "error"],
      ["thrown text", 1, "error"],
      [undefined, 1, "error"],
      [new UsageError("bad_flag", "x"), 2, "usage"],
      [new StorageError("not_a_file", "x"), 2, "usage"],
      [new TorrentError("bad_size", "x"), 3, "bad-torrent"],
      [new NotFoundError("no_file", "x"), 4, "not-found"],
      [new StorageError("missing", "x"), 4, "not-found"],
      [new TrackerError("unknown_swarm", "x"), 4, "not-found"],
      [systemError("ENOENT"), 4, "not-found"],
      [new IncompleteError("stalled", "x"), 5, "incomplete"],
      [new TransportError("reset", "x"), 5, "incomplete"],
      [new ProtocolError("bad_proof", "x"), 5, "incomplete"],
      [new TrackerError("unreachable", "x"), 6, "tracker"],
      [new IntegrityError("part_mismatch", "x"), 7, "integrity"],
      [new StorageError("io", "x"), 8, "io"],
      [new StorageError("denied", "x"), 8, "io"],
      [new StorageError("changed", "x"), 8, "io"],
      [new StorageError("short_read", "x"), 8, "io"],
      [systemError("EACCES"), 8, "io"],
      [new StorageError("no_space", "x"), 9, "no-space"],
      [systemError("ENOSPC"), 9, "no-space"],
      [new StorageError("exists", "x"), 10, "exists"],
      [new StorageError("busy", "x"), 11, "busy"],
      [systemError("EADDRINUSE"), 11, "busy"],
      [new TimeoutError("timed_out", "x"), 13, "timeout"],
      [new Interruption("SIGINT", "x"), 130, "interrupted"],
      [new DOMException("x", "AbortError"), 130, "interrupted"],
      [new OutputClosedError("closed", "x"), 141, "pipe-closed"],
      [new Interruption("SIGTERM", "x"), 143, "terminated"],
    ];
    for (const [error, exitCode, name] of cases) {
      expect([String(error), toExit(error)]).toEqual([
        String(error),
        expect.objectContaining({ exitCode, name }),
      ]);
      expect(toExit(error).hint).not.toBe("");
    }
  });

  test("toExit takes no stranger's error for one of ours by its name", () => {
    const stranger = Object.assign(new Error("x"), { name: "UsageError", code: "bad_flag" });
    expect(toExit(stranger).name).toBe("error");
  });

  test("CLI-6: toExit makes the message one line without control or bidi characters", () => {
    const error = new NotFoundError(
      "no_file",
      "Cannot read \x1b]52;c;eA==\x07\u202e\u200b.bin\r\n: gone",
    );
    expect(toExit(error).message).toBe("Cannot read ]52;c;eA==.bin : gone");
    expect(toExit(new UsageError("bad_flag", "x".repeat(5000))).message).toHaveLength(1000);
  });

  test("toExit says how to go on without a library that a torrent needs, and not that its file is bad", () => {
    const asked = toExit(new UsageError("unsupported_algorithm", "x"));
    const lacking = toExit(new TorrentError("unsupported_algorithm", "x"));
    expect(asked).toEqual({ ...lacking, exitCode: 2, name: "usage" });
    expect(lacking).toMatchObject({ exitCode: 3, name: "bad-torrent" });
    expect(lacking.hint).toContain("bun install");
    expect(lacking.hint).not.toBe(toExit(new TorrentError("bad_size", "x")).hint);
  });

  test("formatErrorLine has the form that scripts rely on", () => {
    expect(
      formatErrorLine(toExit(new NotFoundError("no_file", "Cannot read a: no such file"))),
    ).toBe("ERROR code=4 name=not-found: Cannot read a: no such file; hint: check the path");
  });

  test("toResult is the inverse of EXIT_CODES, and a number that is none is a bug", () => {
    for (const [name, code] of Object.entries(EXIT_CODES)) expect(`${toResult(code)}`).toBe(name);
    expect(toResult(77)).toBe("error");
  });

  test("isFailure spares what was stopped on purpose", () => {
    const spared = Object.keys(EXIT_CODES).filter((_, at, names) => {
      return !isFailure({ name: toResult(EXIT_CODES[names[at] as keyof typeof EXIT_CODES]) });
    });
    expect(spared.sort()).toEqual(["interrupted", "ok", "pipe-closed", "terminated"]);
  });
});
