import { type SQL, sql } from "drizzle-orm";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import { peers, swarms } from "../schema.ts";
import {
  compile,
  type Fill,
  isAlive,
  isLiveSwarm,
  isNobodyElses,
  isSameAddress,
  isSamePeer,
  meant,
  swarmId,
  value,
} from "./shared-terms.ts";

/** The statements of one announce to a shared database, rendered once. What would change nothing is not written: a row
 * written costs a thousand times what a row read costs, where databases are rented. Columns of results are read by position. */

export interface SharedStatements {
  /** Lets a living swarm live longer. */
  readonly touchSwarm: Fill;
  /** Lets a swarm live, or live longer, if there is a row of it. */
  readonly reviveSwarm: Fill;
  /** Makes a row of a swarm that has none. */
  readonly makeSwarm: Fill;
  /** -> [complete, all] of the living entries that `addPeer` would replace, [expired] ones that are still there; nothing when
   * the swarm is unknown or expired */
  readonly beforeAdd: Fill;
  /** The same for `removePeer`. */
  readonly beforeRemove: Fill;
  readonly addPeer: Fill;
  readonly removePeer: Fill;
  /** Notes that somebody vouches for whoever is at the address. */
  readonly verifyPeer: Fill;
  /** -> [host, port, zone, peer, complete, expires, verified, network] of living peers in a random window of the swarm */
  readonly readPool: Fill;
  /** -> [all, complete] of the living peers */
  readonly countPeers: Fill;
}

/** The announce renews the entry that is there. */
const isRenewed = sql`${isSameAddress} and ${peers.peer} is ${value("peer")} and ${peers.zone} = ${value("zone")}`;
/** The entry that is there says all that the announce says, and for long enough. */
const isSaid = sql`${isRenewed} and (${value("complete")} is null or ${peers.complete} = ${value("complete")}) and ${peers.expires} >= ${value("expires")}`;

export function createSharedStatements(db: LibSQLDatabase): SharedStatements {
  const render = (query: SQL): Fill => compile(db.run(query).getQuery());
  return {
    touchSwarm: render(
      sql`update ${swarms} set expires = ${value("stored")} where ${isLiveSwarm} and ${swarms.expires} < ${value("expires")}`,
    ),
    reviveSwarm: render(
      sql`update ${swarms} set expires = ${value("stored")}
          where ${swarms.hash} = ${value("hash")} and ${swarms.expires} < ${value("expires")}`,
    ),
    makeSwarm: render(
      sql`insert into ${swarms} (hash, expires) values (${value("hash")}, ${value("stored")}) on conflict (hash) do nothing`,
    ),
    beforeAdd: render(before()),
    beforeRemove: render(before(sql`and ${isNobodyElses}`)),
    // "or replace" takes away the entry of this address and that of this peer id in one go.
    addPeer: render(
      sql`insert or replace into ${peers} (swarm, random, network, host, port, zone, peer, complete, expires, verified)
          select ${swarms.id}, ${value("random")}, ${value("network")}, ${value("host")}, ${value("port")}, ${value("zone")}, ${value("peer")},
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

function before(isOurs?: SQL): SQL {
  return sql`select coalesce(sum(complete) filter (where alive), 0), count(*) filter (where alive), count(*) filter (where not alive)
    from (${meant(sql`complete, ${isAlive} as alive`, isOurs)})
    having exists (select 1 from ${swarms} where ${isLiveSwarm})`;
}

/** What an entry that is to be replaced says about being complete. */
function lastComplete(isMeant: SQL): SQL {
  return sql`coalesce((select max(${peers.complete}) from ${peers}
    where ${peers.swarm} = ${swarms.id} and ${isAlive} and ${isMeant}), 0)`;
}

function window(side: SQL): SQL {
  return sql`select ${peers.host}, ${peers.port}, ${peers.zone}, ${peers.peer}, ${peers.complete}, ${peers.expires}, ${peers.verified}, ${peers.network} from ${peers}
    where ${peers.swarm} = ${swarmId} and ${peers.random} ${side} ${value("start")} and ${isAlive}
    order by ${peers.random} limit ${value("limit")}`;
}
