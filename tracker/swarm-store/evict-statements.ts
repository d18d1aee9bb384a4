import { type SQL, sql } from "drizzle-orm";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import { peers, swarms } from "../schema.ts";
import {
  compile,
  type Fill,
  isLiveSwarm,
  isSameAddress,
  isSamePeer,
  meant,
  swarmId,
  value,
} from "./shared-terms.ts";

/** The statements that make room for the peer of an announce to a shared database, rendered once. None does anything when the
 * swarm is unknown; all come before the peer is added, and answer who went: -> [host, port, complete, expires]. */
export interface EvictStatements {
  /** Of the peer's network all but so many as may stay beside it go, those heard of longest ago first. */
  readonly evictNeighbours: Fill;
  /** A peer of the swarm goes to make room for one that is not there yet. */
  readonly evictOfSwarm: Fill;
  /** The same, whatever swarm it is in. */
  readonly evictOfAll: Fill;
}

/** The one heard of longest ago goes among so many that lie beside each other in the random order. */
const CANDIDATES = sql.raw("16");

/** Without being told, the database would go through the swarm. */
const byAddress = sql.raw("indexed by peers_address");

const gone = sql`returning host, port, complete, expires`;
const isNews = sql`exists (select 1 from ${swarms} where ${isLiveSwarm}) and not exists (${meant(sql`1`)})`;
const isNeighbour = sql`${peers.swarm} = ${swarmId} and ${peers.network} = ${value("network")}`;

export function createEvictStatements(db: LibSQLDatabase): EvictStatements {
  const render = (query: SQL): Fill => compile(db.run(query).getQuery());
  return {
    evictNeighbours: render(
      sql`delete from ${peers} where ${isNeighbour} and ${peers.random} in (
            select random from ${peers} ${byAddress}
            where ${isNeighbour} and not ${isSameAddress} and (${isSamePeer}) is not true
            order by expires desc limit -1 offset ${value("neighbours")}
          ) ${gone}`,
    ),
    evictOfSwarm: render(
      sql`delete from ${peers} where ${peers.swarm} = ${swarmId} and ${isNews} and ${peers.random} in (
            select random from (
              select * from (${ofSwarm(sql`>=`)}) union all select * from (${ofSwarm(sql`<`)}) limit ${CANDIDATES}
            ) order by expires limit 1
          ) ${gone}`,
    ),
    evictOfAll: render(
      sql`delete from ${peers} where ${isNews} and (${peers.swarm}, ${peers.random}) in (
            select swarm, random from (
              select swarm, random, expires from ${peers}
              where (${peers.swarm}, ${peers.random}) >= (${anySwarm()}, ${value("random")})
              order by ${peers.swarm}, ${peers.random} limit ${CANDIDATES}
            ) order by expires limit 1
          ) ${gone}`,
    ),
  };
}

function ofSwarm(side: SQL): SQL {
  return sql`select ${peers.random}, ${peers.expires} from ${peers}
    where ${peers.swarm} = ${swarmId} and ${peers.random} ${side} ${value("start")}
    order by ${peers.random} limit ${CANDIDATES}`;
}

/** Ids are given in a row, so that any up to the last is near a swarm's. */
function anySwarm(): SQL {
  return sql`(select max(id) * ${value("start")} / 4294967296 from ${swarms})`;
}
