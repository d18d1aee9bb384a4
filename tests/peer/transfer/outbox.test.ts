import { describe, expect, test } from "bun:test";
import { MemoryBudget } from "../../../peer/transfer/memory-budget.ts";
import {
  type Block,
  Outbox,
  type Outgoing,
  type UnreadBudget,
} from "../../../peer/transfer/outbox.ts";
import { FrameDecoder } from "../../../protocol/frame.ts";
import type { ControlMessage } from "../../../protocol/messages.ts";
import { turn } from "../../support/fake-clock.ts";
import { geometryOf, runOf } from "../../support/swarm-fixtures.ts";

const geometry = geometryOf(40, 1000);
const BLOCK_BYTES = 400;

function createOutbox(unread?: UnreadBudget): Outbox {
  return new Outbox({
    ...(unread === undefined ? {} : { unread }),
    blockBytes: () => BLOCK_BYTES,
    runBytes: (run) => geometry.runRange(run).length,
  });
}

/** What an outgoing thing says, in short. */
function inShort(outgoing: Outgoing): string {
  if (outgoing.type === "block") {
    const { run, offset, length, isLast } = outgoing;
    return `${run.first}+${offset}:${length}${isLast ? "!" : ""}`;
  }
  const items = [...new FrameDecoder().push(outgoing.bytes)];
  return items.map((item) => (item.type === "message" ? item.message.type : item.type)).join(",");
}

/** Of a reader, what is used: its full type differs between Bun's and Node's. */
interface Reader {
  read(): Promise<{ readonly value?: Outgoing | undefined; readonly done: boolean }>;
}

async function take(reader: Reader, count: number): Promise<string[]> {
  const taken: string[] = [];
  for (let left = count; left > 0; left--) {
    const { value } = await reader.read();
    if (value === undefined) break;
    taken.push(inShort(value));
  }
  return taken;
}

const PING: ControlMessage = { type: "ping", id: 1 };

describe("Outbox", () => {
  test("Outbox gives messages first and all at once, then data in the order of asking", async () => {
    const outbox = createOutbox();
    const reader = outbox.readable.getReader();
    outbox.serve(runOf(geometry, 3));
    outbox.serve(runOf(geometry, 1));
    outbox.send(PING);
    outbox.send({ type: "have", first: 0, count: 1 });
    expect(await take(reader, 2)).toEqual(["ping,have", "3+0:400"]);
    outbox.send(PING);
    expect(await take(reader, 6)).toEqual([
      "ping",
      "3+400:400",
      "3+800:200!",
      "1+0:400",
      "1+400:400",
      "1+800:200!",
    ]);
  });

  test("Outbox waits while there is nothing, and wakes up for a message and for data", async () => {
    const outbox = createOutbox();
    const reader = outbox.readable.getReader();
    let got: string[] | undefined;
    const taking = take(reader, 1).then((taken) => {
      got = taken;
    });
    await turn();
    expect(got).toBeUndefined();
    outbox.send(PING);
    await taking;
    const block = take(reader, 1);
    outbox.serve(runOf(geometry, 0));
    expect(await block).toEqual(["0+0:400"]);
  });

  test("serve sends a run in smaller blocks where that is said, and the next as before", async () => {
    const outbox = createOutbox();
    const reader = outbox.readable.getReader();
    outbox.serve(runOf(geometry, 3), 500);
    outbox.serve(runOf(geometry, 2), 300);
    outbox.serve(runOf(geometry, 1));
    expect(await take(reader, 8)).toEqual([
      "3+0:400",
      "3+400:400",
      "3+800:200!",
      "2+0:300",
      "2+300:300",
      "2+600:300",
      "2+900:100!",
      "1+0:400",
    ]);
  });

  test("unserve takes a run back before its first byte and halfway, but not after its last", async () => {
    const outbox = createOutbox();
    const reader = outbox.readable.getReader();
    for (const first of [0, 1, 2]) outbox.serve(runOf(geometry, first));
    expect(outbox.unserve(runOf(geometry, 1))).toBe(true);
    expect(outbox.unserve(runOf(geometry, 1))).toBe(false);
    expect(await take(reader, 1)).toEqual(["0+0:400"]);
    expect(outbox.unserve(runOf(geometry, 0))).toBe(true);
    expect(await take(reader, 3)).toEqual(["2+0:400", "2+400:400", "2+800:200!"]);
    expect(outbox.unserve(runOf(geometry, 2))).toBe(false);
    // Taken back halfway and asked for again, it begins at its beginning.
    outbox.serve(runOf(geometry, 0));
    expect(await take(reader, 1)).toEqual(["0+0:400"]);
  });

  test("hold keeps data back, but no message, until it may go on", async () => {
    const outbox = createOutbox();
    const reader = outbox.readable.getReader();
    outbox.serve(runOf(geometry, 0, 1));
    expect(await take(reader, 1)).toEqual(["0+0:400"]);
    outbox.hold(true);
    let next: readonly string[] | undefined;
    const taken = take(reader, 1).then((items) => {
      next = items;
    });
    await turn();
    expect(next).toBeUndefined();
    outbox.send(PING);
    await taken;
    expect(next).toEqual(["ping"]);
    const data = take(reader, 2);
    outbox.hold(false);
    expect(await data).toEqual(["0+400:400", "0+800:200!"]);
  });

  test("end lets the messages out, drops the data and ends", async () => {
    const outbox = createOutbox();
    const reader = outbox.readable.getReader();
    outbox.serve(runOf(geometry, 0));
    outbox.send(PING);
    outbox.send({ type: "bye", reason: "done" });
    outbox.end();
    expect(await take(reader, 9)).toEqual(["ping,bye"]);
    expect((await reader.read()).done).toBe(true);
    const idle = createOutbox();
    const waiting = idle.readable.getReader().read();
    await turn();
    idle.end();
    expect((await waiting).done).toBe(true);
  });

  test("SRV-7: send refuses when the remote leaves megabytes of messages unread", () => {
    const outbox = createOutbox();
    let sent = 0;
    while (outbox.send({ type: "bye", reason: "x".repeat(200) })) sent++;
    expect(sent * 200).toBeGreaterThan(0.9 * 2 ** 20);
    expect(sent * 200).toBeLessThan(4 * 2 ** 20);
  });

  test("SRV-7: send refuses sooner when many leave much unread together, but never a remote that reads", () => {
    const memory = new MemoryBudget(64 * 2 ** 20);
    const outboxes = Array.from({ length: 64 }, () => createOutbox(memory));
    const bye = { type: "bye", reason: "x".repeat(200) } as const;
    let sent = 0;
    for (const outbox of outboxes) while (outbox.send(bye)) sent++;
    expect(sent * 200).toBeGreaterThan(15 * 2 ** 20);
    expect(sent * 200).toBeLessThan(19 * 2 ** 20);
    const honest = createOutbox(memory);
    for (let message = 0; message < 100; message++) expect(honest.send(bye)).toBe(true);
    // Those who are gone leave nothing behind.
    for (const outbox of outboxes) outbox.discard();
    let more = 0;
    while (honest.send(bye)) more++;
    expect(more * 200).toBeGreaterThan(0.9 * 2 ** 20);
  });

  test("Outbox cuts runs of any length into blocks that are whole together", async () => {
    for (const [first, count] of [
      [0, 1],
      [0, 2],
      [7, 13],
      [39, 1],
    ] as const) {
      const outbox = createOutbox();
      const reader = outbox.readable.getReader();
      const run = runOf(geometry, first, count);
      outbox.serve(run);
      let at = 0;
      for (let isLast = false; !isLast; ) {
        const { value } = await reader.read();
        const block = value as Block;
        expect(block).toMatchObject({ run, offset: at });
        expect(block.length).toBeLessThanOrEqual(BLOCK_BYTES);
        at += block.length;
        isLast = block.isLast;
      }
      expect(at).toBe(geometry.runRange(run).length);
    }
  });
});
