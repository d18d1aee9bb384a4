import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Client, createClient } from "@libsql/client";
import { systemClock } from "../../tracker/clock.ts";
import { StoreError } from "../../tracker/errors.ts";
import { BatchWriter } from "../../tracker/swarm-store/batch-writer.ts";
import { holdLock, makeTempDirectory, removeDirectory } from "../support/tracker.ts";

let directory: string;
let path: string;
let client: Client;

beforeEach(async () => {
  directory = await makeTempDirectory();
  path = join(directory, "writer.db");
  client = openClient();
  await client.execute("PRAGMA journal_mode = WAL");
  await client.execute("CREATE TABLE numbers (number INTEGER)");
});
afterEach(async () => {
  client.close();
  await removeDirectory(directory);
});

function openClient(): Client {
  return createClient({ url: `file:${path}`, concurrency: 1, timeout: 100 });
}

function insert(number: number): { sql: string; args: number[] } {
  return { sql: "INSERT INTO numbers VALUES (?)", args: [number] };
}

/** What another connection sees: only what is committed. */
async function committed(): Promise<number[]> {
  const other = openClient();
  const { rows } = await other.execute("SELECT number FROM numbers ORDER BY rowid");
  other.close();
  return rows.map((row) => Number(row[0]));
}

/** The client, telling how many transactions it was asked for. */
function counting(real: Client): { readonly client: Client; readonly batches: () => number } {
  let batches = 0;
  const counted: Client = Object.create(real, {
    protocol: { value: real.protocol },
    close: { value: () => real.close() },
    reconnect: { value: () => real.reconnect() },
    batch: {
      value: (...call: Parameters<Client["batch"]>) => {
        batches++;
        return real.batch(...call);
      },
    },
  });
  return { client: counted, batches: () => batches };
}

function createWriter(of: Client, onReconnect = async (): Promise<void> => {}): BatchWriter {
  return new BatchWriter(systemClock, of, { onReconnect });
}

async function codeOf(call: Promise<unknown>): Promise<string | undefined> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof StoreError ? error.code : undefined;
}

describe("BatchWriter", () => {
  test("commits what came in one turn as one transaction, before it answers", async () => {
    const { client: counted, batches } = counting(client);
    await using writer = createWriter(counted);
    const seen = Array.from({ length: 200 }, async (_, number) => {
      await writer.submit([insert(number)]);
      return (await committed()).includes(number);
    });
    expect((await Promise.all(seen)).every(Boolean)).toBe(true);
    expect(batches()).toBe(1);
    expect(await committed()).toEqual(Array.from({ length: 200 }, (_, number) => number));
  });

  test("gives every caller the results of its own statements, in order", async () => {
    await using writer = createWriter(client);
    const answers = await Promise.all(
      [1, 2, 3].map((number) =>
        writer.submit([insert(number), { sql: "SELECT ?, count(*) FROM numbers", args: [number] }]),
      ),
    );
    const rows = answers.map(([, selected]) => [selected?.rows[0]?.[0], selected?.rows[0]?.[1]]);
    expect(rows).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
  });

  test("splits what is too much for one transaction", async () => {
    const { client: counted, batches } = counting(client);
    await using writer = createWriter(counted);
    const jobs = Array.from({ length: 9 }, (_, at) =>
      writer.submit(Array.from({ length: 500 }, () => insert(at))),
    );
    await Promise.all(jobs);
    expect(batches()).toBe(3);
    expect((await committed()).length).toBe(4500);
  });

  test("keeps nothing of a transaction that failed, and works on", async () => {
    await using writer = createWriter(client);
    const bad = { sql: "INSERT INTO nowhere VALUES (1)", args: [] };
    const codes = await Promise.all([
      codeOf(writer.submit([insert(1)])),
      codeOf(writer.submit([insert(2), bad])),
    ]);
    expect(codes).toEqual(["failed", "failed"]);
    expect(await committed()).toEqual([]);
    await writer.submit([insert(3)]);
    expect(await committed()).toEqual([3]);
  });

  test("refuses callers above its limit at once, and serves those within it", async () => {
    await using writer = createWriter(client);
    const calls = Array.from({ length: 10_001 }, () => writer.submit([insert(1)]));
    expect(await codeOf(calls[10_000] ?? Promise.resolve())).toBe("overloaded");
    await Promise.all(calls.slice(0, 10_000));
    expect((await committed()).length).toBe(10_000);
  });

  test("commits what waits when it is closed, and refuses what comes later", async () => {
    const writer = createWriter(client);
    const waiting = writer.submit([insert(1)]);
    const closing = writer[Symbol.asyncDispose]();
    expect(await codeOf(writer.submit([insert(2)]))).toBe("closed");
    await closing;
    await waiting;
    expect(await committed()).toEqual([1]);
  });

  test("TRK-10: says busy while another process holds the lock, then really commits again", async () => {
    let reconnects = 0;
    await using writer = createWriter(client, async () => {
      reconnects++;
    });
    {
      await using _lock = await holdLock(path);
      expect(await codeOf(writer.submit([insert(1)]))).toBe("busy");
    }
    await writer.submit([insert(2)]);
    expect(await committed()).toEqual([2]);
    expect(reconnects).toBe(1);
  });

  test("TRK-10: without a new connection nothing would be committed any more (control)", async () => {
    {
      await using _lock = await holdLock(path);
      await client.batch([insert(1)], "write").catch(() => {});
    }
    await client.batch([insert(2)], "write").catch(() => {});
    expect(await committed()).toEqual([]);
  });
});
