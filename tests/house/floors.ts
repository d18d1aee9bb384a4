import { codeOf, type Files, importsOf } from "./sources.ts";

/** Who may import whom: floors, no arrow running up, no circle. A file that stands on no floor is a mistake too: whoever
 * adds one says here where it belongs. */

interface Floor {
  readonly name: string;
  /** A path from the root; a folder ends in a slash. */
  readonly paths: readonly string[];
  /** Floors whose files it may import, besides its own. */
  readonly below: readonly string[];
  /** Packages and system modules it may import, by their beginning; absent: any but those that PEER_NEVER names. */
  readonly packages?: readonly string[];
}

const PEER_BASE = ["protocol", "peer base"];
const PEER_MIDDLE = [...PEER_BASE, "peer config", "peer log", "peer storage"];
const TRACKER_BASE = ["protocol", "tracker base"];

export const FLOORS: readonly Floor[] = [
  {
    name: "protocol",
    paths: ["protocol/"],
    below: [],
    packages: ["@sinclair/typebox", "ipaddr.js", "msgpackr/pack"],
  },

  {
    name: "peer base",
    paths: [
      "clock",
      "deadline",
      "errors",
      "event-schemas",
      "events",
      "in-flight",
      "let-go",
      "printable",
      "resolve",
      "result",
      "slots",
    ].map((name) => `peer/${name}.ts`),
    below: ["protocol"],
    packages: ["@sinclair/typebox"],
  },
  { name: "peer config", paths: ["peer/config.ts", "peer/config/"], below: PEER_BASE },
  { name: "peer log", paths: ["peer/log.ts"], below: [...PEER_BASE, "peer config"] },
  { name: "peer tracker-client", paths: ["peer/tracker-client.ts"], below: PEER_BASE },
  { name: "peer swarm", paths: ["peer/swarm/"], below: ["protocol"], packages: [] },
  { name: "peer net", paths: ["peer/net/"], below: PEER_BASE },
  { name: "peer storage", paths: ["peer/storage/"], below: PEER_BASE },
  {
    name: "peer library",
    paths: ["peer/library.ts", "peer/library/"],
    below: [...PEER_BASE, "peer storage"],
  },
  {
    name: "peer transfer",
    paths: ["peer/transfer/"],
    below: [...PEER_MIDDLE, "peer library", "peer swarm", "peer net", "peer tracker-client"],
  },
  {
    name: "peer cli",
    paths: ["peer/cli/"],
    below: [...PEER_MIDDLE, "peer library", "peer transfer", "package.json"],
  },
  { name: "peer index", paths: ["peer/index.ts"], below: ["peer cli"], packages: [] },

  {
    name: "tracker base",
    paths: [
      "activity",
      "address-range",
      "caller-networks",
      "client-address",
      "clock",
      "config",
      "edge-config",
      "errors",
      "exposure",
      "forwarded-address",
      "garbage",
      "log",
      "name-key",
      "rate-limit",
      "recent-map",
      "token-buckets",
      "watch",
    ].map((name) => `tracker/${name}.ts`),
    below: ["protocol"],
  },
  { name: "tracker schema", paths: ["tracker/schema.ts"], below: [], packages: ["drizzle-orm"] },
  { name: "migrations", paths: ["migrations/"], below: ["protocol"], packages: [] },
  { name: "tracker migrate", paths: ["tracker/migrate.ts"], below: ["protocol", "migrations"] },
  {
    name: "tracker store interface",
    paths: ["tracker/swarm-store/store.ts"],
    below: ["protocol"],
    packages: [],
  },
  {
    name: "tracker stores",
    paths: ["tracker/swarm-store/"],
    below: [...TRACKER_BASE, "tracker store interface", "tracker schema", "tracker migrate"],
  },
  {
    name: "tracker announce",
    paths: ["tracker/announce/"],
    below: [...TRACKER_BASE, "tracker store interface"],
  },
  { name: "tracker page", paths: ["tracker/page/"], below: TRACKER_BASE },
  { name: "tracker check", paths: ["tracker/check/"], below: TRACKER_BASE },
  {
    name: "tracker metrics",
    paths: ["tracker/metrics.ts"],
    below: [...TRACKER_BASE, "tracker store interface"],
    packages: ["prom-client"],
  },
  {
    name: "tracker app",
    paths: [
      "app",
      "caller-limits",
      "metrics-route",
      "openapi",
      "refusal",
      "request-watch",
      "sweep",
    ].map((name) => `tracker/${name}.ts`),
    below: [
      ...TRACKER_BASE,
      ...["store interface", "announce", "page", "metrics"].map((name) => `tracker ${name}`),
    ],
  },
  {
    name: "tracker serve",
    paths: ["tracker/serve.ts"],
    below: [
      ...TRACKER_BASE,
      ...["store interface", "stores", "announce", "metrics", "app"].map(
        (name) => `tracker ${name}`,
      ),
    ],
  },
  {
    name: "tracker index",
    paths: ["tracker/index.ts"],
    below: ["tracker base", "tracker check", "tracker serve", "package.json"],
    packages: [],
  },

  {
    name: "tracker edge",
    paths: [
      "tracker/edge",
      "tracker/edge-tracker",
      "tracker/fetch",
      "tracker/cloudflare-workers.d",
    ].map((name) => `${name}.ts`),
    below: [
      ...TRACKER_BASE,
      ...["store interface", "stores", "announce", "app"].map((name) => `tracker ${name}`),
      "package.json",
    ],
  },
  { name: "package.json", paths: ["package.json"], below: [] },
];

/** The peer's executable carries none of these: they belong to the tracker, and bring a native addon. */
const PEER_NEVER = /^(elysia|drizzle-orm|libsql|@libsql)(\/|$)/;
const PEER_ENTRY = "peer/index.ts";
/** Tests and tools stand above all floors. */
const IS_ABOVE = /^(tests\/|build\.ts$|drizzle\.config\.ts$)/;

/** @returns a line for each import that runs against the floors, and for each file on none */
export function wrongImports(files: Files): readonly string[] {
  return Object.entries(codeOf(files)).flatMap(([path, text]) => {
    if (IS_ABOVE.test(path)) return [];
    const floor = floorOf(path);
    if (floor === undefined) return [`${path} stands on no floor`];
    return importsOf(path, text)
      .filter(({ to, isPackage }) => !(isPackage ? mayUse(floor, to) : mayImport(floor, to)))
      .map(({ to }) => `${path} imports ${to}: not from ${floor.name}`);
  });
}

function floorOf(path: string): Floor | undefined {
  const isIn = (place: string): boolean =>
    place.endsWith("/") ? path.startsWith(place) : path === place;
  // The file's own floor goes before its folder's.
  const byFile = FLOORS.find(({ paths }) => paths.includes(path));
  return byFile ?? FLOORS.find(({ paths }) => paths.some(isIn));
}

function mayImport(floor: Floor, to: string): boolean {
  const target = floorOf(to);
  return target !== undefined && (target === floor || floor.below.includes(target.name));
}

function mayUse({ name, packages }: Floor, to: string): boolean {
  if (name.startsWith("peer") && PEER_NEVER.test(to)) return false;
  return packages?.some((known) => to === known || to.startsWith(`${known}/`)) ?? true;
}

/** @returns each circle of imports once, as `a -> b -> a` */
export function circles(files: Files): readonly string[] {
  const code = codeOf(files);
  const found = new Set<string>();
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) found.add([...trail.slice(at), path].join(" -> "));
    if (at >= 0 || done.has(path)) return;
    for (const next of neighbours(code, path)) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of Object.keys(code)) visit(path, []);
  return [...found];
}

/** @returns how the peer comes to what it must never carry, as `a -> b -> package` */
export function foreignLoads(files: Files): readonly string[] {
  const code = codeOf(files);
  const seen = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { to, isPackage } of importsOf(path, code[path] ?? "")) {
      if (isPackage && PEER_NEVER.test(to)) found.push([...trail, path, to].join(" -> "));
      else if (to in code) visit(to, [...trail, path]);
    }
  };
  visit(PEER_ENTRY, []);
  return found;
}

function neighbours(code: Files, path: string): readonly string[] {
  return importsOf(path, code[path] ?? "")
    .map(({ to }) => to)
    .filter((to) => to in code);
}
