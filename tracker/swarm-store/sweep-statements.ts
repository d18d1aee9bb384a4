import type { InStatement, InValue } from "@libsql/client";
import { and, count, eq, fillPlaceholders, gt, lte, notExists, sql } from "drizzle-orm";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import { peers, swarms } from "../schema.ts";

/** The statements about all swarms of a shared database, rendered once. Columns of results are read by position, in the order of
 * the `select`. */

/** Gives the statement its values. */
export type Fill<Values> = (values: Values) => InStatement;

/** A place in the order of `peers`' primary key. */
export interface PeerKey {
  readonly swarm: number;
  readonly random: number;
  readonly host: string;
  readonly port: number;
}

export interface SweepStatements {
  /** -> [swarm, random, host, port] of the next peers in order */
  readonly nextPeers: Fill<PeerKey & { readonly limit: number }>;
  readonly expirePeers: Fill<ExpireValues>;
  /** -> [id] of the next swarms in order */
  readonly nextSwarms: Fill<{ readonly id: number; readonly limit: number }>;
  readonly expireSwarms: Fill<{ readonly from: number; readonly to: number; readonly now: number }>;
  /** -> [how many] */
  readonly countSwarms: Fill<{ readonly now: number }>;
  /** -> [complete, how many] */
  readonly countAllPeers: Fill<{ readonly now: number }>;
}

/** Expire what lies after the key, up to and including the place `to…`. */
export interface ExpireValues extends PeerKey {
  readonly toSwarm: number;
  readonly toRandom: number;
  readonly toHost: string;
  readonly toPort: number;
  readonly now: number;
}

const value = sql.placeholder;

const isAlive = gt(peers.expires, value("now"));

const peerKey = sql`(${peers.swarm}, ${peers.random}, ${peers.host}, ${peers.port})`;
const isPeerAfter = sql`${peerKey} > (${value("swarm")}, ${value("random")}, ${value("host")}, ${value("port")})`;
const isPeerUpTo = sql`${peerKey} <= (${value("toSwarm")}, ${value("toRandom")}, ${value("toHost")}, ${value("toPort")})`;

export function createSweepStatements(db: LibSQLDatabase): SweepStatements {
  const swarmRange = and(gt(swarms.id, value("from")), lte(swarms.id, value("to")));
  const someone = db.select({ swarm: peers.swarm }).from(peers).where(eq(peers.swarm, swarms.id));
  return {
    nextPeers: compile(
      db
        .select({ swarm: peers.swarm, random: peers.random, host: peers.host, port: peers.port })
        .from(peers)
        .where(isPeerAfter)
        .orderBy(peers.swarm, peers.random, peers.host, peers.port)
        .limit(value("limit"))
        .toSQL(),
    ),
    expirePeers: compile(
      db
        .delete(peers)
        .where(and(isPeerAfter, isPeerUpTo, lte(peers.expires, value("now"))))
        .toSQL(),
    ),
    nextSwarms: compile(
      db
        .select({ id: swarms.id })
        .from(swarms)
        .where(gt(swarms.id, value("id")))
        .orderBy(swarms.id)
        .limit(value("limit"))
        .toSQL(),
    ),
    expireSwarms: compile(
      db
        .delete(swarms)
        .where(and(swarmRange, lte(swarms.expires, value("now")), notExists(someone)))
        .toSQL(),
    ),
    countSwarms: compile(
      db
        .select({ count: count() })
        .from(swarms)
        .where(gt(swarms.expires, value("now")))
        .toSQL(),
    ),
    countAllPeers: compile(
      db
        .select({ complete: peers.complete, count: count() })
        .from(peers)
        .where(isAlive)
        .groupBy(peers.complete)
        .toSQL(),
    ),
  };
}

function compile<Values extends object>(query: { sql: string; params: unknown[] }): Fill<Values> {
  return (values) => ({
    sql: query.sql,
    args: fillPlaceholders(query.params, Object.fromEntries(Object.entries(values))).map(
      parseArgument,
    ),
  });
}

function parseArgument(argument: unknown): InValue {
  return argument as InValue;
}
