import { describe, expect, test } from "bun:test";
import { OutputClosedError } from "../../../peer/cli/exit-codes.ts";
import { Output } from "../../../peer/cli/output.ts";
import { Screen } from "../../../peer/cli/screen.ts";
import { StorageError } from "../../../peer/errors.ts";
import { CapturedStream } from "./harness.ts";

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

const INDEX = new URL("output-child.ts", import.meta.url).pathname;

/** Runs a child that writes many lines and exits at once after the flush; its output goes through a shell's pipe. */
async function runChild(
  pipeline: string,
): Promise<{ readonly text: string; readonly status: string }> {
  const script = `bun "$1" 100000 ${pipeline}; echo "\${PIPESTATUS[0]}" >&2`;
  const shell = Bun.spawn(["bash", "-c", script, "bash", INDEX], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [text, status] = await Promise.all([
    new Response(shell.stdout).text(),
    new Response(shell.stderr).text(),
  ]);
  await shell.exited;
  return { text: text.trim(), status: status.trim() };
}

describe("Output", () => {
  test("Output.flush resolves only when the stream has taken every line", async () => {
    const taken: (() => void)[] = [];
    const stream = {
      write: (_text: string, done: () => void) => taken.push(done),
      on: () => {},
    };
    const output = new Output(stream, () => {});
    output.line("a");
    output.line("bc");
    expect(output.pendingChars).toBe(5);
    let isFlushed = false;
    const flushed = output.flush().then(() => {
      isFlushed = true;
    });
    taken[0]?.();
    await Promise.resolve();
    expect(isFlushed).toBe(false);
    taken[1]?.();
    await flushed;
    expect(output.pendingChars).toBe(0);
  });

  test("Output tells once that its reader went away, and writes nothing any more", async () => {
    const failures: Error[] = [];
    const stream = new CapturedStream({ failure: systemError("EPIPE") });
    const output = new Output(stream, (error) => failures.push(error));
    output.line("a");
    output.line("b");
    await expect(output.flush()).rejects.toThrow(OutputClosedError);
    output.line("c");
    await expect(output.flush()).rejects.toThrow(OutputClosedError);
    expect(failures).toHaveLength(1);
  });

  test("Output tells a full disk from a closed pipe", async () => {
    const output = new Output(new CapturedStream({ failure: systemError("ENOSPC") }), () => {});
    output.line("a");
    const error = await output.flush().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StorageError);
    expect(error).toHaveProperty("code", "no_space");
  });

  test("Output loses nothing of a real pipe when the process exits right after the flush", async () => {
    expect(await runChild("| wc -l")).toEqual({ text: "100000", status: "0" });
  });

  test("Output ends a real process with 141 when the reader of its pipe goes away", async () => {
    expect(await runChild("| head -n 1")).toEqual({ text: "line 0", status: "141" });
  });

  test("Output ends a real process with 9 when its file is on a full disk", async () => {
    expect(await runChild("> /dev/full")).toEqual({ text: "", status: "9" });
  });
});

describe("Screen", () => {
  test("Screen prints lines above what sticks, in one write each", () => {
    const writes: string[] = [];
    const stream = { write: (text: string) => writes.push(text), on: () => {}, isTTY: true };
    const screen = new Screen(stream, { isDumb: false });
    screen.stick("bar 1");
    screen.print("log");
    screen.stick("bar 2");
    screen.release("stays");
    screen.print("end");
    expect(writes).toEqual([
      "\r\x1b[2Kbar 1",
      "\r\x1b[2Klog\nbar 1",
      "\r\x1b[2Kbar 2",
      "\n",
      "end\n",
    ]);
  });

  test("Screen takes a dumb terminal for none, and survives a stream that fails", async () => {
    const stream = new CapturedStream({ isTTY: true, failure: systemError("EPIPE") });
    const screen = new Screen(stream, { isDumb: true });
    expect(screen.isTerminal).toBe(false);
    expect(new Screen(stream, { isDumb: false }).isTerminal).toBe(true);
    screen.print("lost");
    await screen.flush();
    expect(stream.text).toBe("");
  });
});
