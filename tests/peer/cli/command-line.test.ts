import { describe, expect, test } from "bun:test";
import { type CommandLine, parseCommandLine } from "../../../peer/cli/command-line.ts";
import { VERBS } from "../../../peer/cli/commands.ts";
import { SETTINGS } from "../../../peer/config/settings.ts";
import { UsageError } from "../../../peer/errors.ts";

function parse(...argv: readonly string[]): CommandLine {
  return parseCommandLine(argv, { isFile: (path) => path === "existing", columns: 100 });
}

function helpOf(...argv: readonly string[]): string {
  const { command } = parse(...argv);
  return command.verb === "help" ? command.text : "no help";
}

describe("parseCommandLine", () => {
  test("parseCommandLine fills upload's options with the documented defaults", () => {
    expect(parse("upload", "a b.bin").command).toEqual({
      verb: "upload",
      options: {
        file: "a b.bin",
        torrentPath: "a b.bin.torrent.json",
        partSize: "auto",
        algorithm: "sha256",
        name: undefined,
        serve: true,
        copy: false,
      },
    });
  });

  test("parseCommandLine reads every flag of upload", () => {
    const flags = ["--part-size", "1M", "--hash=sha1", "--name", "n", "--no-serve", "--copy"];
    expect(parse("upload", ...flags, "f", "t.json").command).toEqual({
      verb: "upload",
      options: {
        file: "f",
        torrentPath: "t.json",
        partSize: 1_048_576,
        algorithm: "sha1",
        name: "n",
        serve: false,
        copy: true,
      },
    });
  });

  test("parseCommandLine reads every flag of download, and none of them by default", () => {
    expect(parse("download", "t", "f").command).toEqual({
      verb: "download",
      options: {
        torrentPath: "t",
        to: "file",
        target: "f",
        overwrite: false,
        serve: false,
        order: "rarest",
        timeoutMs: undefined,
        stallTimeoutMs: undefined,
      },
    });
    const flags = ["--overwrite", "--serve", "--timeout", "2h", "--stall-timeout", "500ms"];
    expect(parse("download", "t", "f", ...flags).command).toMatchObject({
      options: { overwrite: true, serve: true, timeoutMs: 7_200_000, stallTimeoutMs: 500 },
    });
    for (const [order, meant] of [
      ["auto", "rarest"],
      ["rarest", "rarest"],
      ["sequential", "sequential"],
    ] as const) {
      const { command } = parse("download", "t", "f", "--order", order);
      expect(command).toMatchObject({ options: { order: meant } });
    }
  });

  test("parseCommandLine reads a download into a pipe, and the range of it", () => {
    const all = {
      torrentPath: "t",
      to: "pipe" as const,
      timeoutMs: undefined,
      stallTimeoutMs: undefined,
    };
    expect(parse("download", "t", "-").command).toEqual({
      verb: "download",
      options: { ...all, offset: 0, length: undefined },
    });
    const range = ["--offset", "0", "--length", "64K", "--order", "sequential"];
    expect(parse("download", "t", "-", ...range).command).toEqual({
      verb: "download",
      options: { ...all, offset: 0, length: 65_536 },
    });
    expect(parse("download", "t", "-", "--offset", "1.5M", "--order", "auto").command).toEqual({
      verb: "download",
      options: { ...all, offset: 1_572_864, length: undefined },
    });
  });

  test("parseCommandLine reads the other verbs", () => {
    expect(parse("serve").command).toEqual({ verb: "serve" });
    expect(parse("list").command).toEqual({ verb: "list" });
    expect(parse("version").command).toEqual({ verb: "version" });
    expect(parse("--version").command).toEqual({ verb: "version" });
    expect(parse("inspect", "t").command).toEqual({
      verb: "inspect",
      options: { torrentPath: "t" },
    });
    expect(parse("verify", "t", "f").command).toEqual({
      verb: "verify",
      options: { torrentPath: "t", file: "f" },
    });
    expect(parse("remove", "h", "--delete-file").command).toEqual({
      verb: "remove",
      options: { hash: "h", deleteFile: true },
    });
  });

  test("parseCommandLine takes the flags of all verbs before and after the verb", () => {
    const before = ["-v", "--tracker", "http://a", "--listen", "a:1", "--peer=x:1", "-c", "c.json"];
    const after = ["-v", "--tracker", "http://b", "--listen", "b:2", "--json"];
    expect(parse(...before, "list", ...after).flags).toEqual({
      verbose: 2,
      tracker: ["http://a", "http://b"],
      listen: "b:2",
      peer: ["x:1"],
      config: "c.json",
      json: true,
    });
    expect(parse("list", "-vv").flags).toEqual({ verbose: 2 });
    expect(parse("list", "-q").flags).toEqual({ quiet: true });
    expect(parse("list").flags).toEqual({});
  });

  test("parseCommandLine gives every setting's flag its value under its key", () => {
    for (const { key, flags, kind } of SETTINGS) {
      const flag = /--[a-z-]+/.exec(flags)?.[0] ?? "";
      const argv = kind === "value" || kind === "list" ? [flag, "text"] : [flag];
      const wished = { value: "text", list: ["text"], switch: true, count: 1 }[kind];
      expect([flag, parse("list", ...argv).flags]).toEqual([flag, { [key]: wished }]);
    }
  });

  test("parseCommandLine takes what looks like a flag as a value where one is due, and after --", () => {
    expect(parse("upload", "--name", "--json", "f").command).toMatchObject({
      options: { name: "--json" },
    });
    expect(parse("upload", "--", "-f", "--json")).toMatchObject({
      command: { options: { file: "-f", torrentPath: "--json" } },
      flags: {},
    });
  });

  test("parseCommandLine reads the original's form when the first word is a config and no verb", () => {
    expect(parse("c.json").command).toEqual({ verb: "prompt", configPath: "c.json" });
    expect(parse("existing").command).toEqual({ verb: "prompt", configPath: "existing" });
    expect(parse("-q", "dir/c.json", "--json")).toEqual({
      command: { verb: "prompt", configPath: "dir/c.json" },
      flags: { quiet: true, json: true },
    });
  });

  test("parseCommandLine refuses what is wrong, naming it", () => {
    const cases: readonly (readonly [readonly string[], string])[] = [
      [[], "no verb is given"],
      [["-q"], "no verb is given"],
      [["strem", "x", "--foo"], 'unknown verb "strem"'],
      [["constructor"], 'unknown verb "constructor"'],
      [["stream", "t"], 'unknown verb "stream"'],
      [["status"], 'unknown verb "status"'],
      [["--foo", "list"], 'unknown flag "--foo"'],
      [["list", "--foo"], "'--foo'"],
      [["list", "--jsno"], "--json"],
      [["list", "-x"], "'-x'"],
      [["list", "--json=1"], "--json"],
      [["list", "extra"], "extra"],
      [["upload"], "'FILE'"],
      [["download", "t"], "'FILE|-'"],
      [["download", "a", "b", "c"], "c"],
      [["c.json", "d.json"], '"d.json"'],
      [["c.json", "--foo"], '"--foo"'],
      [["list", "--listen"], "argument missing"],
      [["list", "--max-memory"], "argument missing"],
      [["verify", "t", "f", "--repair"], "--repair"],
      [["list", "--copy"], "--copy"],
      [["help", "nope"], 'unknown verb "nope"'],
      [["upload", ""], 'FILE: it is ""'],
      [["upload", "a\0b"], "FILE"],
      [["upload", "-"], "pipes are not in this version"],
      [["download", "t", "f", "--order", "first"], '--order: it is "first", expected rarest'],
      [["download", "t", "-", "--order", "rarest"], "a pipe is in order"],
      [["download", "t", "-", "--serve"], "--serve: FILE is"],
      [["download", "t", "-", "--overwrite"], "--overwrite: FILE is"],
      [["download", "t", "f", "--offset", "1"], "--offset: a file is fetched whole"],
      [["download", "t", "f", "--length", "0"], "--length: a file is fetched whole"],
      [["download", "t", "-", "--offset", "-1"], '--offset: it is "-1"'],
      [["download", "t", "-", "--offset", "1e3"], '--offset: it is "1e3", expected bytes'],
      [["download", "t", "-", "--length", "0.5"], '--length: it is "0.5"'],
      [["upload", "f", "--hash", "md5"], '--hash: it is "md5", expected sha256, sha1 or blake3'],
      [["upload", "f", "--hash", "BLAKE3"], '--hash: it is "BLAKE3"'],
      [["upload", "f", "--hash", "constructor"], '--hash: it is "constructor"'],
      [["upload", "f", "--part-size", "0"], "--part-size"],
      [["upload", "f", "--part-size", "16777217"], "--part-size"],
      [["upload", "f", "--part-size", "huge"], "--part-size"],
      [["upload", "f", "--name", "a/b"], "--name"],
      [["upload", "f", "--name", ".."], "--name"],
      [["upload", "f", "--name", ""], "--name"],
      [["upload", "f", "--name", "a\x1bb"], "--name"],
      [["upload", "f", "--name", "x".repeat(256)], "--name"],
      [["download", "t", "f", "--timeout", "soon"], "--timeout"],
      [["download", "t", "f", "--stall-timeout", "0"], "--stall-timeout"],
    ];
    for (const [argv, part] of cases) {
      expect(() => parse(...argv)).toThrow(UsageError);
      expect(() => parse(...argv)).toThrow(part);
    }
  });

  test("parseCommandLine takes the largest part size and the longest name", () => {
    expect(
      parse("upload", "f", "--part-size", "16M", "--name", "x".repeat(255)).command,
    ).toMatchObject({
      options: { partSize: 16_777_216 },
    });
    expect(parse("upload", "f", "--part-size", "1").command).toMatchObject({
      options: { partSize: 1 },
    });
  });

  test("parseCommandLine gives the program's help, which names every verb", () => {
    const text = helpOf("help");
    expect(helpOf("--help")).toBe(text);
    expect(helpOf("-h")).toBe(text);
    for (const verb of VERBS)
      expect(text).toContain(`\n  ${`${verb.name} ${verb.operands}`.trimEnd()}`);
  });

  test("parseCommandLine gives every verb's help, with its flags, those of all verbs, their variables and defaults", () => {
    for (const verb of VERBS) {
      const text = helpOf("help", verb.name).replace(/\s+/g, " ");
      expect(helpOf(verb.name, "--help").replace(/\s+/g, " ")).toBe(text);
      expect(text).toStartWith(`Usage: peer ${verb.name} `);
      for (const { flags } of verb.flags) expect(text).toContain(flags);
      for (const { flags, variable = "", fallback = "" } of SETTINGS) {
        for (const part of [flags, variable, fallback]) expect(text).toContain(part);
      }
    }
  });
});
