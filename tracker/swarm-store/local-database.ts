import { type Client, createClient } from "@libsql/client";

/** How long one statement waits for another process's lock; its thread stands still meanwhile. */
const BUSY_TIMEOUT_MS = 2000;

/** Opens a database file, not yet set up. One connection, since after it was refused a lock it may go on answering "ok" for
 * writes that it never commits: whoever met an error reconnects and sets up again. */
export function createLocalClient(url: string): Client {
  return createClient({ url, concurrency: 1, timeout: BUSY_TIMEOUT_MS });
}

/** Settings of a new connection. With a write-ahead log, NORMAL keeps every commit through the death of the process and
 * loses at most the last ones in a power cut, never the database's consistency; peers announce again within half a minute,
 * so a disk's sync a commit would buy nothing. */
export async function setUpConnection(client: Client): Promise<void> {
  // Kept in the file's header; switching needs the database alone, which is why it can be busy.
  await client.execute("PRAGMA journal_mode = WAL");
  await client.execute("PRAGMA synchronous = NORMAL");
}
