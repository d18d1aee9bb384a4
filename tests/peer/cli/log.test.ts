import { describe, expect, test } from "bun:test";
import { LogFile } from "../../../peer/cli/log-file.ts";
import type { LogFormat, LogLevel } from "../../../peer/config.ts";
import { createLog, type Log } from "../../../peer/log.ts";

function setUp(
  level: LogLevel,
  format: LogFormat,
): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = [];
  return { log: createLog({ level, format, writeLine: (line) => lines.push(line) }), lines };
}

describe("createLog", () => {
  test("createLog writes its level and what is more severe, nothing else", () => {
    const levels = ["error", "warn", "info", "debug", "trace"] as const;
    for (const [at, level] of levels.entries()) {
      const { log, lines } = setUp(level, "text");
      for (const each of levels) log[each]("said");
      expect(lines).toHaveLength(at + 1);
      expect(levels.filter((each) => log.isEnabled(each))).toEqual(levels.slice(0, at + 1));
    }
  });

  test("createLog carries a child's fields on each of its lines, and not on its parent's", () => {
    const { log, lines } = setUp("info", "json");
    const child = log.child({ peer: "h:1" }).child({ hash: "ab" });
    child.info("joined", { parts: 3, isGood: true, error: new RangeError("far") });
    log.info("alone");
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      {
        level: "info",
        message: "joined",
        peer: "h:1",
        hash: "ab",
        parts: 3,
        isGood: true,
        error: "RangeError: far",
      },
      { level: "info", message: "alone" },
    ]);
    expect(JSON.parse(lines[1] ?? "")).not.toHaveProperty("peer");
  });

  test("createLog takes braces in a message as they are", () => {
    const { log, lines } = setUp("info", "text");
    log.info("a {peer} b", { peer: "x" });
    expect(lines[0]).toEndWith("a {peer} b peer=x");
  });

  test("CLI-6: createLog lets no stranger's text act on a terminal, begin a line, or pose as a field", () => {
    for (const format of ["text", "json"] as const) {
      const { log, lines } = setUp("info", format);
      const evil = '\x1b]52;c;eA==\x07\u202ex\nERROR fake level="error" ';
      log.info("left", { reason: evil.repeat(100), nested: { evil }, list: [evil] });
      expect(lines).toHaveLength(1);
      expect(lines[0]).not.toMatch(/[\p{Cc}\u202e]/u);
      expect((lines[0] ?? "").length).toBeLessThan(1200);
      if (format === "text") expect(lines[0]).toContain('\\"error\\"');
    }
  });
});

describe("LogFile", () => {
  test("LogFile says once that it cannot write any more, and lets the run go on", () => {
    const said: string[] = [];
    using file = new LogFile("/dev/full", (line) => said.push(line));
    file.writeLine("a");
    file.writeLine("b");
    expect(said).toHaveLength(1);
    expect(said[0]).toContain("ENOSPC");
  });
});
