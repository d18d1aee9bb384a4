import type { InStatement, InValue } from "@libsql/client";
import {
  and,
  count,
  eq,
  fillPlaceholders,
  gt,
  gte,
  lt,
  lte,
  ne,
  notExists,
  or,
  type SQL,
  sql,
} from "drizzle-orm";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import { peers, swarms } from "../schema.ts";

/** Every statement of the libSQL store, rendered once: at some thousand announces a second, building them each time would
 * cost more than running them. Columns of results are read by position, in the order of the `select` or `returning`. */

/** Gives the statement its values. */
export type Fill<Values> = (values: Values) => InStatement;

/** What the statements of one announce are about; names of the placeholders. */
export interface AnnounceValues {
  readonly hash: string;
  readonly host: string;
  readonly port: number;
  readonly zone: string;
  readonly peer: string | null;
  /** 1, 0, or null for "as before". */
  readonly complete: number | null;
  readonly now: number;
  readonly expires: number;
  /** Where the window of the sample begins, and where the peer's own entry goes: 0 to 2^32 - 1. */
  readonly start: number;
  readonly random: number;
  readonly want: number;
  /** 1 lets complete peers into the sample, 0 does not. */
  readonly completeMax: number;
}

/** A place in the order of `peers`' primary key. */
export interface PeerKey {
  readonly swarm: number;
  readonly random: number;
  readonly host: string;
  readonly port: number;
}

export interface Statements {
  /** Lets a known swarm live longer. */
  readonly touchSwarm: Fill<AnnounceValues>;
  readonly makeSwarm: Fill<AnnounceValues>;
  readonly addPeer: Fill<AnnounceValues>;
  readonly removePeer: Fill<AnnounceValues>;
  /** -> [complete, incomplete, sample as JSON `[{host, port}, …]`], or nothing when the swarm is unknown or expired */
  readonly lookAround: Fill<AnnounceValues>;
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

export function createStatements(db: LibSQLDatabase): Statements {
  return { ...announceStatements(db), lookAround: lookAround(db), ...sweepStatements(db) };
}

const liveSwarm = and(eq(swarms.hash, value("hash")), gt(swarms.expires, value("now")));
const swarmId = sql`(select ${swarms.id} from ${swarms} where ${liveSwarm})`;
const isAlive = gt(peers.expires, value("now"));
const isSameAddress = and(eq(peers.host, value("host")), eq(peers.port, value("port")));
const isSamePeer = sql`${peers.peer} = ${value("peer")}`;

function announceStatements(
  db: LibSQLDatabase,
): Pick<Statements, "touchSwarm" | "makeSwarm" | "addPeer" | "removePeer"> {
  return {
    touchSwarm: compile(
      db
        .update(swarms)
        .set({ expires: sql`${value("expires")}` })
        .where(liveSwarm)
        .toSQL(),
    ),
    makeSwarm: compile(
      db
        .insert(swarms)
        .values({ hash: value("hash"), expires: value("expires") })
        .onConflictDoUpdate({ target: swarms.hash, set: { expires: sql`excluded.expires` } })
        .toSQL(),
    ),
    // "or replace" takes away the entry of this address and that of this peer id in one go; Drizzle has no word for it.
    addPeer: compile(
      db
        .run(
          sql`insert or replace into ${peers} (swarm, random, host, port, zone, peer, complete, expires)
              select ${swarms.id}, ${value("random")}, ${value("host")}, ${value("port")}, ${value("zone")}, ${value("peer")},
                     coalesce(${value("complete")}, (${lastComplete(db)}), 0), ${value("expires")}
              from ${swarms} where ${liveSwarm}`,
        )
        .getQuery(),
    ),
    removePeer: compile(
      db
        .delete(peers)
        .where(
          and(
            eq(peers.swarm, swarmId),
            or(
              isSamePeer,
              and(isSameAddress, sql`(${peers.peer} is null or ${value("peer")} is null)`),
            ),
          ),
        )
        .toSQL(),
    ),
  };
}

/** What the entries to be replaced say about being complete. */
function lastComplete(db: LibSQLDatabase): SQL {
  return db
    .select({ complete: sql`max(${peers.complete})` })
    .from(peers)
    .where(and(eq(peers.swarm, swarms.id), isAlive, or(isSameAddress, isSamePeer)))
    .getSQL();
}

/** One row, with the sample in one value: the client makes an object of each row, which would cost more than the query. */
function lookAround(db: LibSQLDatabase): Fill<AnnounceValues> {
  const sample = (window: SQL): SQL => sql`
    select * from (
      select ${peers.host}, ${peers.port} from ${peers}
      where ${and(eq(peers.swarm, swarmId), window, isAlive, isOther, isWanted, isNear)}
      order by ${peers.random} limit ${value("want")}
    )`;
  const isOther = or(ne(peers.host, value("host")), ne(peers.port, value("port")));
  const isNear = or(eq(peers.zone, "public"), eq(peers.zone, value("zone")));
  const isWanted = lte(peers.complete, value("completeMax"));
  const counts = db
    .select({
      complete: sql`coalesce(sum(${peers.complete}), 0)`.as("complete"),
      living: count().as("living"),
    })
    .from(peers)
    .where(and(eq(peers.swarm, swarmId), isAlive));
  return compile(
    db
      .all(
        sql`select counts.complete, counts.living - counts.complete, (
              select json_group_array(json_object('host', host, 'port', port)) from (
                ${sample(gte(peers.random, value("start")))}
                union all ${sample(lt(peers.random, value("start")))}
                limit ${value("want")}
              )
            )
            from ${swarms}, (${counts.getSQL()}) as counts where ${liveSwarm}`,
      )
      .getQuery(),
  );
}

const peerKey = sql`(${peers.swarm}, ${peers.random}, ${peers.host}, ${peers.port})`;
const isPeerAfter = sql`${peerKey} > (${value("swarm")}, ${value("random")}, ${value("host")}, ${value("port")})`;
const isPeerUpTo = sql`${peerKey} <= (${value("toSwarm")}, ${value("toRandom")}, ${value("toHost")}, ${value("toPort")})`;

function sweepStatements(
  db: LibSQLDatabase,
): Pick<
  Statements,
  "nextPeers" | "expirePeers" | "nextSwarms" | "expireSwarms" | "countSwarms" | "countAllPeers"
> {
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
