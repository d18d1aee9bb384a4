import { describe, expect, test } from "bun:test";
import type { PartStore } from "../../peer/storage/store.ts";
import { InvariantError } from "../../protocol/errors.ts";
import { codeOf, failureOf, runOf, type Sample, sample, toRun } from "../peer/storage/fixtures.ts";

/** A store under test, and how to look at what it published. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly store: PartStore;
  published(): Promise<Uint8Array | undefined>;
}

/** What every PartStore promises, whatever it keeps its bytes in. */
export function describePartStore(
  name: string,
  create: (from: Sample) => Promise<StoreUnderTest>,
): void {
  describe(`PartStore ${name}`, () => {
    test("write makes the parts readable, whatever the order", async () => {
      const from = sample();
      await using under = await create(from);
      for (const [first, count] of [
        [20, 20],
        [3, 1],
        [0, 3],
        [4, 16],
      ] as const) {
        await under.store.write(runOf(from, first, count));
      }
      const read = new Uint8Array(from.content.length);
      await under.store.read(0, read);
      expect(read).toEqual(from.content);
      const some = new Uint8Array(777);
      await under.store.read(1234, some);
      expect(some).toEqual(from.content.subarray(1234, 1234 + 777));
    });

    test("write takes several runs at once", async () => {
      const from = sample({ fileBytes: 100_001, partBytes: 1000 });
      await using under = await create(from);
      const parts = [...from.torrent.geometry.parts()];
      await Promise.all(parts.map((part) => under.store.write(runOf(from, part))));
      const read = new Uint8Array(from.content.length);
      await under.store.read(0, read);
      expect(read).toEqual(from.content);
    });

    test("write refuses bytes that are not exactly the run's, as a bug of the caller", async () => {
      const from = sample();
      await using under = await create(from);
      const run = toRun(from.torrent, 0, 1);
      for (const length of [0, 255, 257]) {
        const bytes = new Uint8Array(length);
        const failure = await failureOf(under.store.write({ run, bytes }));
        expect(failure).toBeInstanceOf(InvariantError);
      }
    });

    test("write of a run again leaves the same bytes", async () => {
      const from = sample();
      await using under = await create(from);
      await under.store.write(runOf(from, 0, 40));
      await under.store.write(runOf(from, 10, 5));
      await under.store.publish();
      expect(await under.published()).toEqual(from.content);
    });

    test("recovered is empty in a new store and does not follow writes", async () => {
      const from = sample();
      await using under = await create(from);
      expect(under.store.recovered.count).toBe(0);
      expect(under.store.recovered.length).toBe(from.torrent.geometry.partCount);
      await under.store.write(runOf(from, 0, 40));
      expect(under.store.recovered.count).toBe(0);
    });

    test("read beyond the end is short_read", async () => {
      const from = sample({ fileBytes: 1000 });
      await using under = await create(from);
      expect(await codeOf(under.store.read(990, new Uint8Array(11)))).toBe("short_read");
    });

    test("publish gives the whole file, and only then", async () => {
      const from = sample();
      await using under = await create(from);
      await under.store.write(runOf(from, 0, 39));
      expect(await failureOf(under.store.publish())).toBeInstanceOf(InvariantError);
      expect(await under.published()).toBeUndefined();
      await under.store.write(runOf(from, 39, 1));
      await under.store.commit();
      await under.store.publish();
      expect(await under.published()).toEqual(from.content);
    });

    test("publish works for files of 0 and of 1 byte", async () => {
      for (const fileBytes of [0, 1]) {
        const from = sample({ fileBytes });
        await using under = await create(from);
        if (fileBytes > 0) await under.store.write(runOf(from, 0));
        await under.store.publish();
        expect(await under.published()).toEqual(from.content);
      }
    });

    test("publish called twice at once, and close beside it, publish once", async () => {
      const from = sample();
      await using under = await create(from);
      await under.store.write(runOf(from, 0, 40));
      const both = [under.store.publish(), under.store.publish()];
      const closed = under.store.close();
      await Promise.all([...both, closed]);
      expect(await under.published()).toEqual(from.content);
    });

    test("read goes on after publish", async () => {
      const from = sample();
      await using under = await create(from);
      await under.store.write(runOf(from, 0, 40));
      await under.store.publish();
      const read = new Uint8Array(100);
      await under.store.read(300, read);
      expect(read).toEqual(from.content.subarray(300, 400));
    });

    test("write after publish or close fails, and close twice does nothing", async () => {
      const from = sample();
      await using under = await create(from);
      await under.store.write(runOf(from, 0, 40));
      await under.store.publish();
      expect(await codeOf(under.store.write(runOf(from, 0)))).toBe("io");
      await using other = await create(from);
      await other.store.close();
      await other.store.close();
      expect(await codeOf(other.store.write(runOf(from, 0)))).toBe("io");
    });

    test("sink writes what streams through it and names each run once", async () => {
      const from = sample({ fileBytes: 300_000, partBytes: 1000 });
      await using under = await create(from);
      const named: number[] = [];
      const sinks = [0, 1].map(() => under.store.sink((run) => named.push(run.first)));
      const parts = [...from.torrent.geometry.parts()];
      await Promise.all(
        sinks.map(async (sink, index) => {
          const writer = sink.getWriter();
          for (const part of parts.filter((at) => at % 2 === index)) {
            await writer.ready;
            await writer.write(runOf(from, part));
          }
          await writer.close();
        }),
      );
      expect(named.toSorted((a, b) => a - b)).toEqual(parts);
      await under.store.publish();
      expect(await under.published()).toEqual(from.content);
    });

    test("sink errors with the write that failed, also when it fails while closing", async () => {
      const from = sample();
      await using under = await create(from);
      const bad = { run: toRun(from.torrent, 1, 1), bytes: new Uint8Array(1) };
      const piped = new ReadableStream({
        start(controller) {
          controller.enqueue(runOf(from, 0));
          controller.enqueue(bad);
          controller.close();
        },
      }).pipeTo(under.store.sink());
      expect(await failureOf(piped)).toBeInstanceOf(InvariantError);
    });
  });
}
