import type { InStatement, ResultSet } from "@libsql/client";
import { fillPlaceholders, sql } from "drizzle-orm";
import type { LibSQLDatabase } from "drizzle-orm/libsql";
import { census, peers, swarms } from "../schema.ts";
import type { SizeLimits } from "./store-limits.ts";

/** How many rows there are, or how many more than before. */
export interface Size {
  readonly swarms: number;
  readonly peers: number;
}

interface Known extends Size {
  readonly counted: number;
}

const NOTHING: Size = { swarms: 0, peers: 0 };
/** How old the size may be, as far as other trackers changed it. */
const AGE_MS = 10_000;
/** How often everything is counted, by one tracker for all: which costs a row read for every row. What got lost of the
 * trackers' news until then matters the less the more room there is. */
const COUNT_EVERY_MS = 600_000;
const COUNT_EVERY_MS_WHEN_NEAR = 60_000;
/** From which part of a limit on it is near. */
const NEAR = 0.75;

/** How much a shared database holds, near enough to bound it: a row tells what was counted last and what the trackers have
 * said since, each every AGE_MS while it is asked. In between a tracker knows its own news, and not the others'. */
export class Census {
  readonly #limits: SizeLimits;
  readonly #statements: ReturnType<typeof createStatements>;
  #known: Known | undefined;
  #news = NOTHING;
  #askedAt = Number.NEGATIVE_INFINITY;
  /** What of the news is on its way. */
  #told = NOTHING;

  /** @param database writes the statements, runs none */
  constructor(database: LibSQLDatabase, limits: SizeLimits) {
    this.#limits = limits;
    this.#statements = createStatements(database);
  }

  /** @returns whether there may be no more swarms, peers; at first nobody knows */
  get isFull(): { readonly swarms: boolean; readonly peers: boolean } {
    return {
      swarms: this.#estimate("swarms") >= this.#limits.swarmsMax,
      peers: this.#estimate("peers") >= this.#limits.peersMax,
    };
  }

  /** Takes in what a transaction of this tracker changed. */
  note(more: Size): void {
    this.#news = plus(this.#news, more);
  }

  /** @returns what has to go to the database now, with any transaction, before `finish` or `failed` is called: mostly nothing
   * @param now milliseconds since 1970 */
  prepare(now: number): readonly InStatement[] {
    if (isWithin(now - this.#askedAt, AGE_MS)) return [];
    this.#askedAt = now;
    this.#told = this.#news;
    const { tell, count, look } = this.#statements;
    const { swarms: moreSwarms, peers: morePeers } = this.#told;
    const hasNews = moreSwarms !== 0 || morePeers !== 0;
    const every = this.#isNear() ? COUNT_EVERY_MS_WHEN_NEAR : COUNT_EVERY_MS;
    const isDue = this.#known === undefined || !isWithin(now - this.#known.counted, every);
    return [
      ...(hasNews ? [tell({ moreSwarms, morePeers })] : []),
      ...(isDue ? [count({ now, from: now - every, to: now + every })] : []),
      look({}),
    ];
  }

  /** @param results of the statements */
  finish(results: readonly ResultSet[]): void {
    const row = results.at(-1)?.rows[0];
    this.note({ swarms: -this.#told.swarms, peers: -this.#told.peers });
    this.#told = NOTHING;
    if (row === undefined) return;
    const counted = Number(row[2]);
    if (counted === this.#askedAt && counted !== this.#known?.counted) this.#news = NOTHING;
    this.#known = { swarms: Number(row[0]), peers: Number(row[1]), counted };
  }

  failed(): void {
    this.#askedAt = Number.NEGATIVE_INFINITY;
    this.#told = NOTHING;
  }

  #estimate(what: keyof Size): number {
    return this.#known === undefined ? 0 : this.#known[what] + this.#news[what];
  }

  #isNear(): boolean {
    const { swarmsMax, peersMax } = this.#limits;
    return (
      this.#estimate("swarms") >= NEAR * swarmsMax || this.#estimate("peers") >= NEAR * peersMax
    );
  }
}

function plus(one: Size, other: Size): Size {
  return { swarms: one.swarms + other.swarms, peers: one.peers + other.peers };
}

function isWithin(ageMs: number, ageMaxMs: number): boolean {
  return ageMs >= 0 && ageMs < ageMaxMs;
}

/** `look` -> [swarms, peers, when they were counted]; `count` -> [how many rows it went through] */
function createStatements(db: LibSQLDatabase) {
  const value = sql.placeholder;
  const compile = (query: ReturnType<typeof sql>) => {
    const { sql: text, params } = db.run(query).getQuery();
    return (values: Readonly<Record<string, number>>): InStatement => ({
      sql: text,
      args: fillPlaceholders(params, values).map((argument) => BigInt(String(argument))),
    });
  };
  return {
    tell: compile(
      sql`update ${census} set swarms = max(0, swarms + ${value("moreSwarms")}), peers = max(0, peers + ${value("morePeers")})`,
    ),
    // A time from the future is a wrong clock's.
    count: compile(
      sql`update ${census} set swarms = (select count(*) from ${swarms}), peers = (select count(*) from ${peers}), counted = ${value("now")}
          where counted <= ${value("from")} or counted >= ${value("to")} returning swarms + peers as counted`,
    ),
    look: compile(sql`select swarms, peers, counted as at from ${census}`),
  };
}
