import { describe, expect, test } from "bun:test";
import { createReport, type ReportConfig } from "../../../peer/cli/create-report.ts";
import { Output } from "../../../peer/cli/output.ts";
import { formatBytes, formatSeconds, percentDone } from "../../../peer/cli/quantity.ts";
import { MovingRate } from "../../../peer/cli/rate.ts";
import type { Report } from "../../../peer/cli/report.ts";
import { Screen } from "../../../peer/cli/screen.ts";
import { IncompleteError, NotFoundError } from "../../../peer/errors.ts";
import type { PeerEvents, TransferProgress, WaitingEvent } from "../../../peer/events.ts";
import { createEventsValidator, parseLines } from "./events-validator.ts";
import { CapturedStream, StillClock } from "./harness.ts";

const MIB = 1024 * 1024;
const TORRENT = {
  hash: "6f1e3a52-9c4b-4d7e-8a10-2b3c4d5e6f70",
  digest: "ab".repeat(32),
  name: "big.iso",
  size: 100 * MIB,
  parts: 100,
  partSize: MIB,
};
const DOWNLOADED: PeerEvents = {
  type: "downloaded",
  ...TORRENT,
  file: "/tmp/big.iso",
  alreadyThere: false,
};
const WAITING: WaitingEvent = {
  type: "waiting",
  reason: "no_holder",
  parts: [{ part: 7, askedOf: [{ address: "10.0.0.1:7000", answer: "does not have it" }] }],
  message: "part 7 is held by nobody; 10.0.0.1:7000 answered: does not have it",
};

function progress(mib: number, peers = 2): TransferProgress {
  return {
    type: "progress",
    bytesDone: mib * MIB,
    bytesTotal: TORRENT.size,
    partsDone: mib,
    partsTotal: TORRENT.parts,
    peers,
    peersKnown: 5,
  };
}

const ESCAPE_SEQUENCE = /[^\P{Cc}\r\n](?:\[[0-9;?]*[A-Za-z]|[^[])/gu;

interface Setup {
  readonly clock: StillClock;
  readonly report: Report;
  readonly stdout: CapturedStream;
  readonly stderr: CapturedStream;
}

function setUp(config: Partial<ReportConfig> = {}, terminal = {}): Setup {
  const clock = new StillClock();
  const stdout = new CapturedStream();
  const stderr = new CapturedStream(terminal);
  const streams = {
    output: new Output(stdout, () => {}),
    screen: new Screen(stderr, { isDumb: false }),
  };
  const full: ReportConfig = { progress: "auto", json: false, color: "auto", ...config };
  return { clock, report: createReport(clock, streams, full), stdout, stderr };
}

describe("MovingRate", () => {
  test("MovingRate averages over the last five seconds and forgets what was before", () => {
    const rate = new MovingRate();
    expect(rate.bytesPerSecond(0)).toBe(0);
    rate.add(0, 0);
    rate.add(1000, 1000);
    expect(rate.bytesPerSecond(1000)).toBe(1000);
    for (let second = 2; second <= 20; second++) rate.add(second * 1000, 1000 + second * 5000);
    expect(rate.bytesPerSecond(20_000)).toBe(5000);
  });

  test("MovingRate falls while nothing comes", () => {
    const rate = new MovingRate();
    rate.add(0, 0);
    rate.add(1000, 10_000);
    expect(rate.bytesPerSecond(10_000)).toBe(1000);
    rate.add(10_000, 10_000);
    rate.add(20_000, 10_000);
    expect(rate.bytesPerSecond(20_000)).toBe(0);
  });

  test("MovingRate begins anew when the count goes back, as for another file", () => {
    const rate = new MovingRate();
    rate.add(0, 1_000_000);
    rate.add(1000, 0);
    rate.add(2000, 500);
    expect(rate.bytesPerSecond(2000)).toBe(500);
  });

  test("MovingRate stays right however often it is told", () => {
    const rate = new MovingRate();
    for (let ms = 0; ms <= 10_000; ms++) rate.add(ms, ms * 3);
    expect(rate.bytesPerSecond(10_000)).toBe(3000);
  });
});

describe("percentDone", () => {
  test("percentDone rounds down, so that 100 is never said before all is done", () => {
    expect(percentDone(0, 10)).toBe(0);
    expect(percentDone(2 ** 44 - 1, 2 ** 44)).toBe(99);
    expect(percentDone(29, 100)).toBe(29);
    expect(percentDone(2 ** 44, 2 ** 44)).toBe(100);
    expect(percentDone(0, 0)).toBe(100);
  });

  test("formatBytes and formatSeconds say it shortly", () => {
    expect([0, 1023, 1024, 1.5 * MIB, 2 ** 44].map(formatBytes)).toEqual([
      "0 B",
      "1023 B",
      "1.0 KiB",
      "1.5 MiB",
      "16.0 TiB",
    ]);
    expect([0, 7.9, 750, 10_800].map(formatSeconds)).toEqual(["0:00", "0:07", "12:30", "3:00:00"]);
  });
});

describe("PlainView", () => {
  test("PlainView prints a line every 30 s, never 100 % before the proof, and the sum at the end", async () => {
    const { clock, report, stdout, stderr } = setUp();
    report.start("download", "1");
    report.emit({ type: "torrent", ...TORRENT });
    for (let second = 0; second <= 90; second++) {
      report.emit(progress(Math.min(100, second * 2)));
      await clock.advance(1000);
    }
    expect(stderr.lines).toEqual([
      "58 %  58.0 MiB / 100.0 MiB  2.0 MiB/s  ETA 0:21  peers 2/5",
      "99 %  100.0 MiB / 100.0 MiB  0 B/s  peers 2/5",
      "99 %  100.0 MiB / 100.0 MiB  0 B/s  peers 2/5",
    ]);
    report.emit(DOWNLOADED);
    report.setTotals({
      bytes: 100 * MIB,
      bytesPerPeer: { "10.0.0.1:1": 60 * MIB, "10.0.0.2:1": 40 * MIB },
      badParts: 1,
      duplicateBytes: 0,
      resumedBytes: MIB,
    });
    expect(report.finish("ok")).toBe(0);
    expect(stderr.lines.at(-1)).toBe(
      "received 100.0 MiB in 1:31, 1.1 MiB/s, from 2 peers, 1 bad parts refused, 1.0 MiB were there before",
    );
    expect(stdout.text).toBe("SUCCESSFUL DOWNLOAD\n");
  });
});

describe("Report", () => {
  test("Report says why nothing moves after 5 s, not before, and again only after 30 s", async () => {
    const { clock, report, stderr } = setUp();
    report.emit(progress(1));
    report.emit(WAITING);
    await clock.advance(4900);
    expect(stderr.text).toBe("");
    await clock.advance(600);
    expect(stderr.lines).toEqual([`waiting: ${WAITING.message}`]);
    await clock.advance(20_000);
    expect(stderr.lines).toHaveLength(1);
    await clock.advance(15_000);
    expect(stderr.lines.filter((line) => line.startsWith("waiting"))).toHaveLength(2);
    report.finish("incomplete");
  });

  test("Report says at once when the reason changes, once nothing has moved for 5 s", async () => {
    const { clock, report, stderr } = setUp();
    report.emit(progress(1));
    report.emit(WAITING);
    await clock.advance(11_000);
    report.emit({ ...WAITING, reason: "choked", message: "everybody is busy" });
    expect(stderr.lines).toEqual([`waiting: ${WAITING.message}`, "waiting: everybody is busy"]);
    report.finish("incomplete");
  });

  test("Report explains by itself when a transfer gives no reason", async () => {
    const { clock, report, stderr } = setUp();
    report.emit(progress(1, 0));
    await clock.advance(6000);
    expect(stderr.lines).toEqual(["waiting: no peer is connected, 5 known"]);
    report.finish("incomplete");
  });

  test("Report does not say that anything is waited for while it is the reader of a pipe", async () => {
    for (const readerBehind of [true, false]) {
      const { clock, report, stderr } = setUp();
      report.start("download", "1");
      report.emit({ type: "torrent", ...TORRENT });
      for (let tenth = 0; tenth < 100; tenth++) {
        report.emit({ ...progress(1), ...(readerBehind ? { readerBehind } : {}) });
        await clock.advance(200);
      }
      expect(stderr.lines.some((line) => line.startsWith("waiting"))).toBe(!readerBehind);
      report.finish("ok");
    }
  });

  test("Report of a pipe writes nothing to standard output: results and JSON go to standard error", () => {
    for (const json of [true, false]) {
      const { report, stdout, stderr } = setUp({ json, isPiped: true });
      report.start("download", "1");
      report.emit({ type: "torrent", ...TORRENT });
      report.emit({ ...DOWNLOADED, file: "-" });
      report.finish(report.fail(new IncompleteError("stalled", "Cannot go on: nothing")).name);
      expect(stdout.text).toBe("");
      if (json) expect(parseLines(stderr.text).at(-1)).toMatchObject({ result: "incomplete" });
      else expect(stderr.lines[0]).toBe("SUCCESSFUL DOWNLOAD");
      expect(stderr.text).toContain("run it again with --offset");
    }
  });

  test("Report does not call the proof of a complete file a wait", async () => {
    const { clock, report, stderr } = setUp();
    report.emit(progress(100));
    await clock.advance(20_000);
    expect(stderr.text).toBe("");
    report.finish("ok");
  });

  test("Report forgets the reason as soon as something moves", async () => {
    const { clock, report, stderr } = setUp();
    report.emit(progress(1));
    report.emit(WAITING);
    await clock.advance(6000);
    report.emit(progress(2));
    await clock.advance(4000);
    expect(stderr.lines).toHaveLength(1);
    await clock.advance(2000);
    expect(stderr.lines.at(-1)).toBe("waiting: nothing came from 2 connected of 5 known peers");
    report.finish("incomplete");
  });

  test("Report leaves no timer behind when it is finished", async () => {
    const { clock, report } = setUp();
    report.emit(progress(1));
    expect(clock.sleeperCount).toBe(1);
    report.emit(DOWNLOADED);
    expect(clock.sleeperCount).toBe(0);
    report.emit(progress(1));
    report.finish("ok");
    report.emit(progress(2));
    expect(clock.sleeperCount).toBe(0);
  });

  test("Report shows one transfer after the other, as the interactive form does", () => {
    const { report, stdout, stderr } = setUp();
    report.emit({ type: "torrent", ...TORRENT });
    report.emit({ type: "uploaded", ...TORRENT, torrent: "t.json" });
    report.fail(new NotFoundError("no_file", "Cannot read x: no such file"));
    report.emit({ type: "torrent", ...TORRENT });
    report.emit(progress(100));
    report.emit(DOWNLOADED);
    expect(stdout.text).toBe("SUCCESSFUL UPLOAD\nSUCCESSFUL DOWNLOAD\n");
    expect(stderr.lines).toEqual([
      "ERROR code=4 name=not-found: Cannot read x: no such file; hint: check the path",
    ]);
    report.finish("ok");
  });

  test("Report with --progress none shows errors and results only", async () => {
    const { clock, report, stdout, stderr } = setUp({ progress: "none" });
    report.emit(progress(1));
    await clock.advance(60_000);
    report.emit({ type: "serving", host: "::", port: 7000, torrents: 1 });
    expect(stderr.text).toBe("");
    report.emit(DOWNLOADED);
    report.fail(new NotFoundError("no_file", "x"));
    expect(stdout.text).toBe("SUCCESSFUL DOWNLOAD\n");
    expect(stderr.lines).toHaveLength(1);
    report.finish("ok");
  });

  test("Report paints errors only when colours are wished", () => {
    for (const [color, isTTY, isPainted] of [
      ["always", false, true],
      ["auto", false, false],
      ["auto", true, true],
      ["never", true, false],
    ] as const) {
      const { report, stderr } = setUp({ color, progress: "none" }, { isTTY });
      report.fail(new NotFoundError("no_file", "x"));
      expect(stderr.text.startsWith("\x1b[31mERROR\x1b[0m code=4")).toBe(isPainted);
    }
  });
});

describe("BarView", () => {
  test("BarView draws within the terminal, rounds down, and reaches 100 % only after the proof", async () => {
    for (const columns of [20, 60, 80, 200]) {
      const { clock, report, stdout, stderr } = setUp({}, { isTTY: true, columns });
      report.emit({ type: "torrent", ...TORRENT });
      report.emit(progress(0));
      await clock.advance(1000);
      report.emit(progress(100));
      const before = stderr.text;
      report.emit(DOWNLOADED);
      expect(before).not.toContain("100 %");
      expect(stderr.text).toContain("100 %");
      expect(stderr.text.endsWith("\n")).toBe(true);
      expect(stdout.text).toBe("SUCCESSFUL DOWNLOAD\n");
      for (const frame of framesOf(stderr.text)) expect(frame.length).toBeLessThan(columns);
      report.finish("ok");
    }
  });

  test("BarView and lines do not tear each other: a line clears the bar, stands alone, and the bar is drawn again", () => {
    const { report, stderr } = setUp({ color: "never" }, { isTTY: true });
    report.emit(progress(42));
    const bar = framesOf(stderr.text).at(-1) ?? "";
    expect(bar).toMatch(/^\[#+-+\] {2}42 % {2}42\.0 MiB \/ 100\.0 MiB/);
    report.emit({ type: "serving", host: "::", port: 7000, torrents: 1 });
    expect(stderr.text).toEndWith(`\r\x1b[2Kserving 1 torrent on [::]:7000\n${bar}`);
    report.finish("ok");
  });

  test("BarView never moves the cursor to another line, where its own frames or printed lines stand", async () => {
    const { clock, report, stderr } = setUp({}, { isTTY: true });
    report.emit({ type: "hashing", bytesDone: 1, bytesTotal: 2 });
    report.emit(progress(1));
    await clock.advance(6000);
    report.fail(new NotFoundError("no_file", "x"));
    report.finish("not-found");
    const sequences = new Set(stderr.text.match(ESCAPE_SEQUENCE));
    expect([...sequences].sort()).toEqual(["\x1b[0m", "\x1b[2K", "\x1b[31m", "\x1b[36m"]);
  });

  test("BarView ends with its last state when a transfer fails, below it the error", () => {
    const { report, stderr } = setUp({ color: "never" }, { isTTY: true });
    report.emit(progress(42));
    report.fail(new NotFoundError("no_file", "Cannot go on: gone"));
    const [bar = "", error] = stderr.lines.slice(-2);
    expect(framesOf(bar).at(-1)).toContain("42 %");
    expect(error).toStartWith("ERROR code=4 name=not-found: Cannot go on: gone;");
    report.finish("not-found");
  });

  test("CLI-6: BarView shows a stranger's name without its control characters", () => {
    const { report, stderr } = setUp({ color: "never" }, { isTTY: true });
    report.emit({ type: "torrent", ...TORRENT, name: "a\u202e\x1b]52;c;eA==\x07.iso" });
    report.emit(progress(1));
    expect(stderr.text).toContain("a]52;c;eA==.iso [");
    expect(stderr.text).not.toContain("\u202e");
    expect(stderr.text).not.toContain("\x07");
    report.finish("ok");
  });

  function framesOf(text: string): readonly string[] {
    const frames = text.replaceAll("\r\x1b[2K", "\n").split("\n");
    return frames.map((frame) => frame.replace(ESCAPE_SEQUENCE, ""));
  }
});

describe("JsonView", () => {
  test("JsonView gives start first, summary last, nothing after it, and every line validates", async () => {
    const { clock, report, stdout } = setUp({ json: true });
    report.start("download", "1");
    report.emit({ type: "torrent", ...TORRENT });
    report.emit(progress(0));
    report.emit({ type: "peer", event: "joined", address: "10.0.0.1:1" });
    await clock.advance(7000);
    report.emit(progress(50));
    await clock.advance(2000);
    report.emit(progress(100));
    report.emit(DOWNLOADED);
    report.fail(new NotFoundError("no_file", "x"));
    report.finish("not-found");
    report.finish("ok");
    report.emit(DOWNLOADED);
    const events = parseLines(stdout.text);
    const validate = createEventsValidator();
    for (const event of events) expect([event, validate(event)]).toEqual([event, ""]);
    expect(events.at(0)).toEqual({ type: "start", v: 1, verb: "download", version: "1" });
    expect(events.at(-1)).toMatchObject({
      type: "summary",
      result: "not-found",
      exitCode: 4,
      seconds: 9,
    });
    const kinds = new Set(events.map((event) => event.type));
    expect([...kinds]).toEqual([
      "start",
      "torrent",
      "progress",
      "peer",
      "waiting",
      "downloaded",
      "error",
      "summary",
    ]);
    expect(stdout.text).not.toContain("SUCCESSFUL");
  });

  test("JsonView tells progress once a second at most, its end always, and leaves out an ETA it cannot know", async () => {
    const { clock, report, stdout } = setUp({ json: true });
    for (let step = 0; step < 50; step++) {
      report.emit(progress(step * 2));
      await clock.advance(100);
    }
    report.emit(progress(100));
    const lines = parseLines(stdout.text).filter((event) => event.type === "progress");
    expect(lines).toHaveLength(7);
    expect(lines[0]).not.toHaveProperty("etaSeconds");
    expect(lines[0]).toHaveProperty("bytesPerSecond", 0);
    expect(lines[3]).toMatchObject({ bytesPerSecond: 20 * MIB, etaSeconds: 3 });
    expect(lines.at(-1)).toMatchObject({ bytesDone: 100 * MIB, etaSeconds: 0 });
    report.finish("ok");
  });

  test("JsonView leaves progress out for a reader that does not read, never a result", async () => {
    const clock = new StillClock();
    const written: string[] = [];
    const stuck = { write: (text: string) => written.push(text), on: () => {} };
    const streams = {
      output: new Output(stuck, () => {}),
      screen: new Screen(new CapturedStream(), { isDumb: true }),
    };
    const report = createReport(clock, streams, { progress: "auto", json: true, color: "never" });
    for (let second = 0; second < 2000; second++) {
      report.emit(progress(second % 100));
      await clock.advance(1000);
    }
    const progressLines = written.filter((line) => line.includes('"progress"'));
    expect(progressLines.join("").length).toBeLessThan(70_000);
    report.emit(DOWNLOADED);
    expect(written.at(-1)).toContain('"downloaded"');
    report.finish("ok");
  });

  test("CLI-6: JsonView escapes what acts on a terminal and keeps what was said", () => {
    const { report, stdout } = setUp({ json: true });
    const reason = "\u202e\x9b31m\u200b";
    report.emit({ type: "peer", event: "banned", address: "h:1", reason });
    expect(stdout.text).not.toMatch(/[\u202e\x9b\u200b]/);
    expect(parseLines(stdout.text)[0]).toMatchObject({ reason });
    report.finish("ok");
  });
});
