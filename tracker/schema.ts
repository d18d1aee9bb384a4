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
  },
  (table) => [
    primaryKey({ columns: [table.swarm, table.random, table.host, table.port] }),
    uniqueIndex("peers_address").on(table.swarm, table.host, table.port),
    uniqueIndex("peers_peer").on(table.swarm, table.peer),
  ],
);
