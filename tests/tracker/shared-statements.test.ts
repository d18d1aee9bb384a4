import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Client, createClient } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import { MIGRATIONS } from "../../migrations/index.ts";
import {
  createEvictStatements,
  type EvictStatements,
} from "../../tracker/swarm-store/evict-statements.ts";
import {
  createSharedStatements,
  type SharedStatements,
} from "../../tracker/swarm-store/shared-statements.ts";
import type { SharedValues } from "../../tracker/swarm-store/shared-terms.ts";

const VALUES: SharedValues = {
  hash: "",
  network: "10.0.0.1",
  host: "10.0.0.1",
  port: 1,
  zone: "public",
  peer: null,
  complete: null,
  now: 1,
  expires: 2,
  stored: 3,
  random: 4,
  start: 5,
  limit: 200,
  neighbours: 7,
};
/** Going through all of one swarm: by the first column of a key alone. */
const THROUGH_SWARM = /peers USING [A-Z a-z_]+ \(swarm=\?\)|SCAN peers/;

let database: Database;
let client: Client;
let statements: SharedStatements & EvictStatements;

beforeAll(() => {
  database = new Database(":memory:");
  for (const { sql } of MIGRATIONS) {
    for (const statement of sql.split("--> statement-breakpoint")) database.run(statement);
  }
  client = createClient({ url: ":memory:" });
  const writer = drizzle(client);
  statements = { ...createSharedStatements(writer), ...createEvictStatements(writer) };
});
afterAll(() => {
  client.close();
  database.close();
});

/** @returns how the database would find the rows */
function planOf(sql: string): string {
  return JSON.stringify(database.query(`EXPLAIN QUERY PLAN ${sql}`).all());
}

function textOf(name: keyof typeof statements): string {
  const statement = statements[name](VALUES);
  return typeof statement === "string" ? statement : statement.sql;
}

describe("SharedStatements", () => {
  test.each([
    "touchSwarm",
    "reviveSwarm",
    "makeSwarm",
    "beforeAdd",
    "beforeRemove",
    "addPeer",
    "removePeer",
    "readPool",
    "verifyPeer",
    "evictNeighbours",
    "evictOfSwarm",
    "evictOfAll",
  ] as const)("%s finds its rows by an index, however large the swarm is", (name) => {
    expect(planOf(textOf(name))).not.toMatch(THROUGH_SWARM);
  });

  test("countPeers goes through the swarm, and so would one question with an 'or' in it", () => {
    expect(planOf(textOf("countPeers"))).toMatch(THROUGH_SWARM);
    const question =
      "SELECT host FROM peers WHERE swarm = 1 AND (peer = 'a' OR (host = 'b' AND port = 1))";
    expect(planOf(question)).toMatch(THROUGH_SWARM);
  });

  test("send integers as integers", () => {
    const { sql, args } = Object(statements.addPeer(VALUES));
    expect(sql).not.toContain("?2");
    expect(args).toContain(4n);
    expect(args.some((argument: unknown) => typeof argument === "number")).toBe(false);
  });
});
