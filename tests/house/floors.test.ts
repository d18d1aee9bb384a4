import { describe, expect, test } from "bun:test";
import { circles, foreignLoads, wrongImports } from "./floors.ts";
import { importsOf, readProject } from "./sources.ts";

const PROJECT = readProject();

describe("floors", () => {
  test("wrongImports finds none in the project", () => {
    expect(wrongImports(PROJECT)).toEqual([]);
  });

  test("wrongImports catches every wrong way, types and side effects included", () => {
    const wrong: Readonly<Record<string, string>> = {
      "protocol/a.ts": 'import { systemClock } from "../peer/clock.ts";',
      "protocol/b.ts": 'import { join } from "node:path";',
      "protocol/c.ts": 'import "bun";',
      "peer/swarm/a.ts": 'import type { Disk } from "../storage/disk.ts";',
      "peer/swarm/b.ts": 'import { sleep } from "bun";',
      "peer/net/a.ts": 'import { Engine } from "../swarm/engine.ts";',
      "peer/storage/a.ts": 'import {\n  type Log,\n} from "../log.ts";',
      "peer/library.ts": 'import type { Node } from "./transfer/node.ts";',
      "peer/transfer/a.ts": 'export { Screen } from "../cli/screen.ts";',
      "peer/cli/a.ts": 'const engine = await import("../swarm/engine.ts");',
      "peer/cli/b.ts": 'import type { Client } from "@libsql/client";',
      "peer/index.ts": 'import { Node } from "./transfer/node.ts";',
      "peer/errors.ts": 'import { ClientError } from "../tracker/errors.ts";',
      "tracker/app.ts": 'import type { PeerConfig } from "../peer/config.ts";',
      "tracker/announce/a.ts": 'import { SharedSwarmStore } from "../swarm-store/shared.ts";',
      "tracker/swarm-store/store.ts": 'import type { Client } from "@libsql/client";',
      "migrations/index.ts": 'import { peers } from "../tracker/schema.ts";',
      "tracker/serve.ts": 'import { startTracker } from "../tests/support/tracker.ts";',
    };
    for (const [path, text] of Object.entries(wrong)) {
      expect([path, wrongImports({ [path]: text })]).toEqual([path, [expect.any(String)]]);
    }
    expect(wrongImports({ "peer/helpers.ts": "" })).toEqual(["peer/helpers.ts stands on no floor"]);
  });

  test("wrongImports lets right ones pass", () => {
    const right = {
      "peer/transfer/a.ts": 'import { Engine } from "../swarm/engine.ts";\nimport "node:path";',
      "tracker/announce/a.ts": 'import type { SwarmStore } from "../swarm-store/store.ts";',
      "tests/a.test.ts": 'import { createTracker } from "../tracker/app.ts";',
      "peer/cli/a.ts": '// import { Engine } from "../swarm/engine.ts";',
    };
    expect(wrongImports(right)).toEqual([]);
  });

  test("circles finds none in the project, and one of types when there is one", () => {
    expect(circles(PROJECT)).toEqual([]);
    const round = {
      "peer/cli/a.ts": 'import { b } from "./b.ts";',
      "peer/cli/b.ts": 'import type { C } from "./c.ts";',
      "peer/cli/c.ts": 'import { a } from "./a.ts";',
    };
    expect(circles(round)).toEqual([
      "peer/cli/a.ts -> peer/cli/b.ts -> peer/cli/c.ts -> peer/cli/a.ts",
    ]);
  });

  test("foreignLoads finds no way from peer/index.ts to the tracker's packages, and one when there is one", () => {
    expect(foreignLoads(PROJECT)).toEqual([]);
    const loaded = {
      "peer/index.ts": 'import { a } from "./cli/a.ts";',
      "peer/cli/a.ts": 'import { drizzle } from "drizzle-orm/libsql";',
    };
    expect(foreignLoads(loaded)).toEqual(["peer/index.ts -> peer/cli/a.ts -> drizzle-orm/libsql"]);
  });

  test("importsOf sees the project's imports as they are", () => {
    const seen = importsOf("peer/index.ts", PROJECT["peer/index.ts"] ?? "").map(({ to }) => to);
    expect(seen).toContain("peer/cli/run.ts");
    expect(seen).toContain("peer/cli/upload.ts");
    const text =
      'import text from "./a.sql" with { type: "text" };\nexport type { B } from "./b.ts";';
    expect(importsOf("migrations/index.ts", text).map(({ to }) => to)).toEqual([
      "migrations/a.sql",
      "migrations/b.ts",
    ]);
  });
});
