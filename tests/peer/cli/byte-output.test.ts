import { describe, expect, test } from "bun:test";
import { createByteOutput } from "../../../peer/cli/byte-output.ts";
import { OutputClosedError } from "../../../peer/cli/exit-codes.ts";
import type { TextStream } from "../../../peer/cli/output.ts";
import { StorageError } from "../../../peer/errors.ts";
import { failureOf } from "../../support/eventually.ts";
import { concat, randomBytes } from "../../support/fixtures.ts";

const MIB = 2 ** 20;
const NEVER = new AbortController().signal;

/** A reader who takes a piece when he is told to. */
class Reader implements TextStream {
  readonly pieces: Uint8Array[] = [];
  #take: ((error?: Error) => void) | undefined;

  write(piece: Uint8Array, done: (error?: Error | null) => void): void {
    expect(this.#take).toBeUndefined();
    this.pieces.push(piece.slice());
    this.#take = done;
  }

  on(): void {}

  take(error?: Error): void {
    const take = this.#take;
    this.#take = undefined;
    take?.(error);
  }
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

describe("createByteOutput", () => {
  test("createByteOutput writes in pieces, each when the one before was taken, and is done only then", async () => {
    const reader = new Reader();
    const bytes = randomBytes(2, MIB + 5);
    const writer = createByteOutput(reader, NEVER).getWriter();
    let isDone = false;
    const done = () => {
      isDone = true;
    };
    const written = writer.write({ bytes, done });
    for (let count = 1; count <= 5; count++) {
      await settle();
      expect([reader.pieces.length, isDone]).toEqual([count, false]);
      reader.take();
    }
    await written;
    expect(isDone).toBe(true);
    expect(concat(reader.pieces)).toEqual(bytes);
    await writer.close();
  });

  test("createByteOutput holds back whoever gives it more than the reader takes", async () => {
    const reader = new Reader();
    const writer = createByteOutput(reader, NEVER).getWriter();
    expect(writer.desiredSize).toBe(1);
    const written = writer.write({ bytes: new Uint8Array(10), done: () => {} });
    await settle();
    expect(writer.desiredSize).toBe(0);
    reader.take();
    await written;
    expect(writer.desiredSize).toBe(1);
  });

  test("createByteOutput tells a reader who went away from a full disk", async () => {
    for (const [code, kind] of [
      ["EPIPE", OutputClosedError],
      ["ENOSPC", StorageError],
    ] as const) {
      const reader = new Reader();
      const writer = createByteOutput(reader, NEVER).getWriter();
      let isDone = false;
      const done = () => {
        isDone = true;
      };
      const failure = failureOf(writer.write({ bytes: new Uint8Array(MIB), done }));
      await settle();
      reader.take(systemError(code));
      expect(await failure).toBeInstanceOf(kind);
      expect([isDone, reader.pieces.length]).toEqual([false, 1]);
      writer.closed.catch(() => undefined);
    }
  });

  test("createByteOutput does not wait for a reader when all is to end", async () => {
    const reader = new Reader();
    const stop = new AbortController();
    const writer = createByteOutput(reader, stop.signal).getWriter();
    writer.closed.catch(() => undefined);
    const failure = failureOf(writer.write({ bytes: new Uint8Array(MIB), done: () => {} }));
    await settle();
    stop.abort(new Error("stopped"));
    expect(await failure).toEqual(new Error("stopped"));
    expect(reader.pieces).toHaveLength(1);
  });
});
