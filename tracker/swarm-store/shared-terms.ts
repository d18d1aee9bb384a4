import type { InStatement, InValue } from "@libsql/client";
import { is, Placeholder, type SQL, sql } from "drizzle-orm";
import { peers, swarms } from "../schema.ts";

/** What the statements of one announce to a shared database are made of. */

/** What the statements are about; names of the placeholders. */
export interface SharedValues {
  readonly hash: string;
  readonly network: string;
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
  /** How many others of its network may stay in the swarm. */
  readonly neighbours: number;
}

export type Fill = (values: SharedValues) => InStatement;

export const value = (name: keyof SharedValues): Placeholder => sql.placeholder(name);

export const isLiveSwarm = sql`${swarms.hash} = ${value("hash")} and ${swarms.expires} > ${value("now")}`;
export const swarmId = sql`(select ${swarms.id} from ${swarms} where ${isLiveSwarm})`;
export const isAlive = sql`${peers.expires} > ${value("now")}`;
/** The columns of an index, in its order. */
export const isSameAddress = sql`(${peers.network} = ${value("network")} and ${peers.host} = ${value("host")} and ${peers.port} = ${value("port")})`;
export const isSamePeer = sql`${peers.peer} = ${value("peer")}`;
export const isNobodyElses = sql`(${peers.peer} is null or ${value("peer")} is null or ${isSamePeer})`;

/** The entries of the announce's address, as far as `isOurs`, and the other one of its peer id. Each by its own index: with an
 * "or" between them the database goes through the whole swarm. */
export function meant(what: SQL, isOurs = sql``): SQL {
  const select = sql`select ${what} from ${peers} where ${peers.swarm} = ${swarmId}`;
  return sql`${select} and ${isSameAddress} ${isOurs} union all ${select} and ${isSamePeer} and not ${isSameAddress}`;
}

/** Integers go as such: the client would send a number as a float. */
export function compile({ sql: text, params }: { sql: string; params: unknown[] }): Fill {
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
