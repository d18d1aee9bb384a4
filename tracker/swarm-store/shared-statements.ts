import type { InStatement, InValue } from "@libsql/client";
import { is, Placeholder, type SQL, sql } from "drizzle-orm";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import { peers, swarms } from "../schema.ts";

/** The statements of one announce to a shared database, rendered once. What would change nothing is not written: a row
 * written costs a thousand times what a row read costs, where databases are rented. Columns of results are read by position. */

/** What the statements are about; names of the placeholders. */
export interface SharedValues {
  readonly hash: string;
  readonly host: string;
  readonly port: number;
  readonly zone: string;
  readonly peer: string | null;
  /** 1, 0, or null for "as before". */
  readonly complete: number | null;
  readonly now: number;
  /** Until when peer and swarm must be remembered. */
  readonly expires: number;
  /** Until when they are remembered if something is written at all: the same or later. */
  readonly stored: number;
  /** Where the peer's own entry goes, and where the window of a sample begins: 0 to 2^32 - 1. */
  readonly random: number;
  readonly start: number;
  /** How many peers the sample has at most. */
  readonly limit: number;
}

type Fill = (values: SharedValues) => InStatement;

export interface SharedStatements {
  /** Lets a known swarm live longer. */
  readonly touchSwarm: Fill;
  readonly makeSwarm: Fill;
  /** -> [complete, all] of the living entries that `addPeer` would replace; nothing when the swarm is unknown or expired */
  readonly beforeAdd: Fill;
  /** The same for `removePeer`. */
  readonly beforeRemove: Fill;
  readonly addPeer: Fill;
  readonly removePeer: Fill;
  /** Notes that somebody vouches for whoever is at the address. */
  readonly verifyPeer: Fill;
  /** -> [host, port, zone, peer, complete, expires, verified] of living peers in a random window of the swarm */
  readonly readPool: Fill;
  /** -> [all, complete] of the living peers */
  readonly countPeers: Fill;
}

const value = (name: keyof SharedValues): Placeholder => sql.placeholder(name);

const isLiveSwarm = sql`${swarms.hash} = ${value("hash")} and ${swarms.expires} > ${value("now")}`;
const swarmId = sql`(select ${swarms.id} from ${swarms} where ${isLiveSwarm})`;
const isAlive = sql`${peers.expires} > ${value("now")}`;
const isSameAddress = sql`(${peers.host} = ${value("host")} and ${peers.port} = ${value("port")})`;
const isSamePeer = sql`${peers.peer} = ${value("peer")}`;
/** The announce renews the entry that is there. */
const isRenewed = sql`${isSameAddress} and ${peers.peer} is ${value("peer")} and ${peers.zone} = ${value("zone")}`;
const isNobodyElses = sql`(${peers.peer} is null or ${value("peer")} is null or ${isSamePeer})`;
/** The entry that is there says all that the announce says, and for long enough. */
const isSaid = sql`${isRenewed} and (${value("complete")} is null or ${peers.complete} = ${value("complete")}) and ${peers.expires} >= ${value("expires")}`;

export function createSharedStatements(db: LibSQLDatabase): SharedStatements {
  const render = (query: SQL): Fill => compile(db.run(query).getQuery());
  return {
    touchSwarm: render(
      sql`update ${swarms} set expires = ${value("stored")} where ${isLiveSwarm} and ${swarms.expires} < ${value("expires")}`,
    ),
    makeSwarm: render(
      sql`insert into ${swarms} (hash, expires) values (${value("hash")}, ${value("stored")})
          on conflict (hash) do update set expires = excluded.expires where ${swarms.expires} < ${value("expires")}`,
    ),
    beforeAdd: render(before(sql``)),
    beforeRemove: render(before(sql`and ${isNobodyElses}`)),
    // "or replace" takes away the entry of this address and that of this peer id in one go.
    addPeer: render(
      sql`insert or replace into ${peers} (swarm, random, host, port, zone, peer, complete, expires, verified)
          select ${swarms.id}, ${value("random")}, ${value("host")}, ${value("port")}, ${value("zone")}, ${value("peer")},
                 coalesce(${value("complete")}, max(${lastComplete(isSameAddress)}, ${lastComplete(isSamePeer)})), ${value("stored")},
                 coalesce((select verified from ${peers} where ${peers.swarm} = ${swarms.id} and ${isAlive} and ${isRenewed}), 0)
          from ${swarms} where ${isLiveSwarm}
          and not exists (select 1 from ${peers} where ${peers.swarm} = ${swarms.id} and ${isSaid})`,
    ),
    removePeer: render(
      sql`delete from ${peers} where ${peers.swarm} = ${swarmId}
          and ${peers.random} in (select random from (${meant(sql`random`, sql`and ${isNobodyElses}`)}))
          and (${isSamePeer} or (${isSameAddress} and ${isNobodyElses}))`,
    ),
    verifyPeer: render(
      sql`update ${peers} set verified = 1 where ${peers.swarm} = ${swarmId} and ${isSameAddress} and ${peers.verified} = 0`,
    ),
    readPool: render(
      sql`select * from (${window(sql`>=`)}) union all select * from (${window(sql`<`)}) limit ${value("limit")}`,
    ),
    countPeers: render(
      sql`select count(*) as counted, coalesce(sum(${peers.complete}), 0) from ${peers}
          where ${peers.swarm} = ${swarmId} and ${isAlive}`,
    ),
  };
}

/** The entries of the announce's address, as far as `isOurs`, and the other one of its peer id. Each by its own index: with an
 * "or" between them the database goes through the whole swarm. */
function meant(what: SQL, isOurs: SQL): SQL {
  const select = sql`select ${what} from ${peers} where ${peers.swarm} = ${swarmId}`;
  return sql`${select} and ${isSameAddress} ${isOurs} union all ${select} and ${isSamePeer} and not ${isSameAddress}`;
}

function before(isOurs: SQL): SQL {
  return sql`select coalesce(sum(complete), 0), count(*) from (${meant(sql`complete, expires`, isOurs)})
    where expires > ${value("now")} having exists (select 1 from ${swarms} where ${isLiveSwarm})`;
}

/** What an entry that is to be replaced says about being complete. */
function lastComplete(isMeant: SQL): SQL {
  return sql`coalesce((select max(${peers.complete}) from ${peers}
    where ${peers.swarm} = ${swarms.id} and ${isAlive} and ${isMeant}), 0)`;
}

function window(side: SQL): SQL {
  return sql`select ${peers.host}, ${peers.port}, ${peers.zone}, ${peers.peer}, ${peers.complete}, ${peers.expires}, ${peers.verified} from ${peers}
    where ${peers.swarm} = ${swarmId} and ${peers.random} ${side} ${value("start")} and ${isAlive}
    order by ${peers.random} limit ${value("limit")}`;
}

/** Integers go as such: the client would send a number as a float. */
function compile({ sql: text, params }: { sql: string; params: unknown[] }): Fill {
  const names = params.map(parseName);
  return (values) => ({ sql: text, args: names.map((name) => toArgument(values[name])) });
}

function parseName(param: unknown): keyof SharedValues {
  if (!is(param, Placeholder)) throw new TypeError("A statement has a value of its own");
  return param.name as keyof SharedValues;
}

function toArgument(argument: string | number | null): InValue {
  return typeof argument === "number" ? BigInt(argument) : argument;
}
