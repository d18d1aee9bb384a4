import { integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

/** Swarms by name; `id` keeps the rows of `peers` short. */
export const swarms = sqliteTable("swarms", {
  id: integer().primaryKey(),
  /** A uuid in lower case. */
  hash: text().notNull().unique(),
  /** When it is forgotten, unless somebody announces before: milliseconds since 1970. */
  expires: integer().notNull(),
});

/** Who takes part in which swarm. The migration adds WITHOUT ROWID, which Drizzle cannot say: the primary key is then the
 * table itself, and a random window of a swarm is read in one sweep. */
export const peers = sqliteTable(
  "peers",
  {
    swarm: integer().notNull(),
    /** Drawn anew at every announce, 0 to 2^32 - 1: neighbours in this order are a random sample. */
    random: integer().notNull(),
    host: text().notNull(),
    port: integer().notNull(),
    /** The peer's own id; null when it does not tell one. */
    peer: text(),
    /** 1 when it has every part, else 0. */
    complete: integer().notNull(),
    /** When it is forgotten, unless it announces before: milliseconds since 1970. */
    expires: integer().notNull(),
    /** Who may be told of it: everybody when `public`, else those of the same zone. */
    zone: text().notNull().default("public"),
    /** 1 when another peer vouched for it, else 0. */
    verified: integer().notNull().default(0),
    /** Whose the host is: an IPv4 address, an IPv6 /64, a name. It stands before the host in the index, which so counts a
     * network's entries too. */
    network: text().notNull().default(""),
  },
  (table) => [
    primaryKey({ columns: [table.swarm, table.random, table.host, table.port] }),
    uniqueIndex("peers_address").on(table.swarm, table.network, table.host, table.port),
    uniqueIndex("peers_peer").on(table.swarm, table.peer),
  ],
);

/** How many rows there are, in one row: each tracker adds its own news now and then, and one of them counts at times. */
export const census = sqliteTable("census", {
  /** 1 */
  id: integer().primaryKey(),
  swarms: integer().notNull(),
  peers: integer().notNull(),
  /** When all was counted last: milliseconds since 1970. */
  counted: integer().notNull(),
});

/** What was announced to the trackers of one machine, in the order of its commits: they keep what is alive in memory, and
 * read this from the start when they begin and from where they were when another one has written. It has no index, so that
 * to write is to append. */
export const peerLog = sqliteTable("peer_log", {
  /** Never given twice, so that a place in the log stays one. */
  seq: integer().primaryKey({ autoIncrement: true }),
  /** A uuid in lower case. */
  swarm: text().notNull(),
  host: text().notNull(),
  port: integer().notNull(),
  zone: text().notNull(),
  peer: text(),
  /** 1 when it has every part, 0 when not, null when it left. */
  complete: integer(),
  /** No earlier than it is forgotten, unless a later row tells of it: milliseconds since 1970. */
  expires: integer().notNull(),
});
