import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseByteSize } from "../../peer/config/byte-size.ts";
import { CONFIG_BYTES_MAX, parseConfigFile } from "../../peer/config/config-file.ts";
import { DURATION_MS_MAX, parseDurationMs } from "../../peer/config/duration.ts";
import { formatHostPort, parseHostPort } from "../../peer/config/host-port.ts";
import { type FlagValues, SETTINGS } from "../../peer/config/settings.ts";
import { type ConfigSources, loadConfig, type PeerConfig, trackersFor } from "../../peer/config.ts";
import { NotFoundError, UsageError } from "../../peer/errors.ts";

let directory = "";
let configPath = "";

const FILE = {
  "self.service": "old-data",
  "self.host": "10.0.0.5",
  "self.port": "6001",
  "tracker.host": "tracker.example",
  "tracker.port": 5001,
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "peer-config-"));
  configPath = join(directory, "config.json");
  await writeFile(configPath, JSON.stringify(FILE));
});

afterAll(() => rm(directory, { recursive: true }));

function load(
  flags: FlagValues = {},
  variables: ConfigSources["variables"] = {},
  path?: string,
): PeerConfig {
  return loadConfig({
    flags,
    variables,
    workingDirectory: "/base",
    homeDirectory: "/home/me",
    configPath: path,
  });
}

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof UsageError || error instanceof NotFoundError) return error.message;
    throw error;
  }
  return "accepted";
}

describe("loadConfig", () => {
  test("loadConfig with nothing given has the documented defaults, frozen", () => {
    const config = load();
    expect(config).toEqual({
      dataDir: "/home/me/.local/share/peer",
      trackers: [],
      trackersFallback: ["http://localhost:5000"],
      listen: { host: "::", port: 0 },
      announce: undefined,
      peers: [],
      limitDownBytesPerSecond: undefined,
      limitUpBytesPerSecond: undefined,
      maxPeers: 50,
      maxMemoryBytes: 64 * 2 ** 20,
      transport: "tls",
      logLevel: "info",
      logFormat: "text",
      logFile: undefined,
      progress: "auto",
      json: false,
      color: "auto",
    });
    expect(Object.isFrozen(config) && Object.isFrozen(config.listen)).toBe(true);
  });

  test("loadConfig takes flag over variable over config file over default, for every setting that has them", () => {
    const variables = {
      PEER_CONFIG: configPath,
      PEER_DATA_DIR: "/var/data",
      PEER_TRACKER: "http://variable:1",
      PEER_LISTEN: "[::1]:2",
    };
    const flags = { dataDir: "/flag/data", tracker: ["http://flag:3"], listen: "localhost:4" };
    expect(load(flags, variables)).toMatchObject({
      dataDir: "/flag/data",
      trackers: ["http://flag:3"],
      listen: { host: "localhost", port: 4 },
    });
    expect(load({}, variables)).toMatchObject({
      dataDir: "/var/data",
      trackers: ["http://variable:1"],
      listen: { host: "::1", port: 2 },
    });
    expect(load({}, { PEER_CONFIG: configPath })).toMatchObject({
      dataDir: "/base/old-data",
      trackers: [],
      trackersFallback: ["http://tracker.example:5001"],
      listen: { host: "10.0.0.5", port: 6001 },
    });
  });

  test("loadConfig reads every setting from its flag and from its variable alike", () => {
    const cases: readonly (readonly [keyof FlagValues, string, keyof PeerConfig, unknown])[] = [
      ["announce", "example.org:7000", "announce", { host: "example.org", port: 7000 }],
      ["limitDown", "64K", "limitDownBytesPerSecond", 65_536],
      ["limitUp", "1.5M", "limitUpBytesPerSecond", 1_572_864],
      ["limitUp", "none", "limitUpBytesPerSecond", undefined],
      ["maxPeers", "7", "maxPeers", 7],
      ["maxMemory", "128M", "maxMemoryBytes", 128 * 2 ** 20],
      ["transport", "plain", "transport", "plain"],
      ["logLevel", "trace", "logLevel", "trace"],
      ["logFormat", "json", "logFormat", "json"],
      ["logFile", "a.log", "logFile", "/base/a.log"],
      ["progress", "plain", "progress", "plain"],
    ];
    for (const [key, text, field, wished] of cases) {
      const variable = SETTINGS.find((setting) => setting.key === key)?.variable ?? "";
      expect([key, load({ [key]: text })[field]]).toEqual([key, wished as never]);
      expect([variable, load({}, { [variable]: text })[field]]).toEqual([
        variable,
        wished as never,
      ]);
    }
  });

  test("loadConfig takes repeated flags and lists in variables, each entry once", () => {
    const flags = { tracker: ["http://a:1/", "https://b/x"], peer: ["h:1", "[::1]:2", "h:1"] };
    expect(load(flags).trackers).toEqual(["http://a:1", "https://b/x"]);
    expect(load(flags).peers).toEqual([
      { host: "h", port: 1 },
      { host: "::1", port: 2 },
    ]);
    const variables = { PEER_TRACKER: "http://a:1, http://b:2", PEER_PEERS: "h:1 i:2" };
    expect(load({}, variables).trackers).toHaveLength(2);
    expect(load({}, variables).peers).toHaveLength(2);
  });

  test("loadConfig refuses every wrong value by the name of its flag and of its variable", () => {
    const cases: readonly (readonly [keyof FlagValues, readonly string[]])[] = [
      ["listen", ["7000", ":7000", "::1:7000", "h:65536", "h:-1", "h:x", "127.1:5", "h h:1"]],
      ["announce", ["0.0.0.0:7000", "[::]:7000", "[0:0:0:0:0:0:0:0]:1", "h:0", "h"]],
      ["limitDown", ["0", "-1", "fast", "10X", "1e6", "99999999999T", "1.5", "100"]],
      ["limitUp", ["0", "64KB"]],
      ["maxPeers", ["0", "-1", "1001", "many", "1.5"]],
      ["maxMemory", ["0", "23M", "4.1G", "lots", "-64M"]],
      ["transport", ["TLS", "none"]],
      ["logLevel", ["loud", "INFO"]],
      ["logFormat", ["xml"]],
      ["progress", ["fancy"]],
    ];
    for (const [key, texts] of cases) {
      const setting = SETTINGS.find((candidate) => candidate.key === key);
      const flag = /--[a-z-]+/.exec(setting?.flags ?? "")?.[0] ?? "?";
      const variable = setting?.variable ?? "?";
      for (const text of texts) {
        expect(messageOf(() => load({ [key]: text }))).toStartWith(
          `Cannot use ${flag}: it is "${text}"`,
        );
        expect(messageOf(() => load({}, { [variable]: text }))).toStartWith(
          `Cannot use ${variable}: `,
        );
      }
    }
    for (const url of [
      "localhost:5000",
      "ftp://a",
      "http://",
      "http://u:p@a",
      "http://a/?q",
      "x",
    ]) {
      expect(messageOf(() => load({ tracker: [url] }))).toStartWith("Cannot use --tracker: ");
    }
    const many = Array.from({ length: 65 }, (_, at) => `h:${at + 1}`);
    expect(messageOf(() => load({ peer: many }))).toContain("at most 64");
    expect(load({ peer: many.slice(1) }).peers).toHaveLength(64);
  });

  test("loadConfig counts an empty variable as not set", () => {
    expect(load({}, { PEER_LISTEN: "", PEER_JSON: "", PEER_TRACKER: "" })).toEqual(load());
  });

  test("loadConfig takes the data directory from XDG_DATA_HOME only when that is absolute", () => {
    expect(load({}, { XDG_DATA_HOME: "/xdg" }).dataDir).toBe("/xdg/peer");
    expect(load({}, { XDG_DATA_HOME: "xdg" }).dataDir).toBe("/home/me/.local/share/peer");
  });

  test("loadConfig lets an explicit --data-dir win over self.service", () => {
    expect(load({ dataDir: "mine" }, {}, configPath).dataDir).toBe("/base/mine");
    expect(load({}, {}, configPath).dataDir).toBe("/base/old-data");
  });

  test("loadConfig makes -q, -v and -vv levels, which --log-level overrides", () => {
    expect(load({ quiet: true })).toMatchObject({ logLevel: "warn", progress: "none" });
    expect(load({ quiet: true, progress: "plain" }).progress).toBe("plain");
    expect(load({ verbose: 1 }).logLevel).toBe("debug");
    expect(load({ verbose: 2 }, { PEER_LOG_LEVEL: "error" }).logLevel).toBe("trace");
    expect(load({ verbose: 2, logLevel: "error" }).logLevel).toBe("error");
    expect(messageOf(() => load({ quiet: true, verbose: 1 }))).toContain("-q and -v");
  });

  test("loadConfig follows NO_COLOR and CLICOLOR_FORCE unless --color says otherwise", () => {
    expect(load({}, { NO_COLOR: "1", CLICOLOR_FORCE: "1" }).color).toBe("never");
    expect(load({}, { CLICOLOR_FORCE: "1" }).color).toBe("always");
    expect(load({}, { CLICOLOR_FORCE: "0" }).color).toBe("auto");
    expect(load({ color: "always" }, { NO_COLOR: "1" }).color).toBe("always");
  });

  test("loadConfig reads PEER_JSON as yes or no", () => {
    expect(load({}, { PEER_JSON: "true" }).json).toBe(true);
    expect(load({}, { PEER_JSON: "0" }).json).toBe(false);
    expect(load({ json: true }, { PEER_JSON: "0" }).json).toBe(true);
    expect(messageOf(() => load({}, { PEER_JSON: "maybe" }))).toStartWith("Cannot use PEER_JSON: ");
  });

  test("loadConfig searches no config: what stands in the working directory is not read", async () => {
    const config = loadConfig({
      flags: {},
      variables: {},
      workingDirectory: directory,
      homeDirectory: directory,
    });
    expect(config.listen.port).toBe(0);
    expect(config.trackersFallback).toEqual(["http://localhost:5000"]);
  });

  test("loadConfig refuses a config that is named twice, missing, or no regular file", async () => {
    expect(messageOf(() => load({ config: "a" }, {}, configPath))).toContain("--config");
    expect(() => load({ config: join(directory, "none.json") })).toThrow(NotFoundError);
    const folder = join(directory, "folder");
    await mkdir(folder);
    expect(messageOf(() => load({ config: folder }))).toContain("no regular file");
    expect(messageOf(() => load({ config: "/dev/zero" }))).toContain("no regular file");
  });

  test("loadConfig refuses a config above 64 KiB and takes one of exactly 64 KiB", async () => {
    const text = JSON.stringify(FILE);
    const path = join(directory, "large.json");
    await writeFile(path, text.padEnd(CONFIG_BYTES_MAX));
    expect(load({ config: path }).listen.port).toBe(6001);
    await writeFile(path, text.padEnd(CONFIG_BYTES_MAX + 1));
    expect(messageOf(() => load({ config: path }))).toContain("larger than 65536 bytes");
  });
});

describe("trackersFor", () => {
  test("trackersFor asks the user's trackers, else the torrent's, else the fallback", () => {
    expect(trackersFor(load({ tracker: ["http://mine:1"] }), ["http://its:2"])).toEqual([
      "http://mine:1",
    ]);
    expect(trackersFor(load(), ["http://its:2"])).toEqual(["http://its:2"]);
    expect(trackersFor(load({}, {}, configPath), [])).toEqual(["http://tracker.example:5001"]);
  });
});

/** What the file says, or a part of the message that refuses it. */
const CFG: readonly (readonly [file: string, wished: Record<string, unknown> | string])[] = [
  ["{}", { service: undefined, host: undefined, port: undefined, trackerUrl: undefined }],
  [
    JSON.stringify(FILE),
    {
      service: "old-data",
      host: "10.0.0.5",
      port: 6001,
      trackerUrl: "http://tracker.example:5001",
    },
  ],
  ['\ufeff{"self.port": 1}', { port: 1 }],
  [' \r\n\t{"self.port": 1}\n', { port: 1 }],
  ['{"self.service": "/abs/dir"}', { service: "/abs/dir" }],
  ['{"self.service": "../up"}', { service: "../up" }],
  ['{"self.service": "mit Leerzeichen é"}', { service: "mit Leerzeichen é" }],
  ['{"self.service": ""}', "self.service"],
  ['{"self.service": 5}', "self.service is 5"],
  ['{"self.service": null}', "self.service is null"],
  ['{"self.service": "a\\u0000b"}', "self.service"],
  ['{"self.host": "localhost"}', { host: "localhost" }],
  ['{"self.host": "0.0.0.0"}', { host: "0.0.0.0" }],
  ['{"self.host": "::"}', { host: "::" }],
  ['{"self.host": "[::1]"}', { host: "::1" }],
  ['{"self.host": "my_host-1.example.org"}', { host: "my_host-1.example.org" }],
  ['{"self.host": ""}', "self.host"],
  ['{"self.host": "a b"}', 'self.host is "a b"'],
  ['{"self.host": "http://a"}', "self.host"],
  ['{"self.host": "a:1"}', "self.host"],
  ['{"self.host": "256.1.1.1"}', "self.host"],
  ['{"self.host": "127.1"}', "self.host"],
  ['{"self.host": "0x7f000001"}', "self.host"],
  ['{"self.host": "-a"}', "self.host"],
  [`{"self.host": "${"a".repeat(254)}"}`, "self.host"],
  ['{"self.host": true}', "self.host is true"],
  ['{"self.port": 0}', { port: 0 }],
  ['{"self.port": 65535}', { port: 65_535 }],
  ['{"self.port": "6000"}', { port: 6000 }],
  ['{"self.port": 5e3}', { port: 5000 }],
  ['{"self.port": 65536}', "self.port is 65536"],
  ['{"self.port": -1}', "self.port"],
  ['{"self.port": -0}', "self.port"],
  ['{"self.port": 1.5}', "self.port"],
  ['{"self.port": 1e999}', "self.port"],
  ['{"self.port": ""}', "self.port"],
  ['{"self.port": " 80"}', "self.port"],
  ['{"self.port": "0x50"}', "self.port"],
  ['{"self.port": [80]}', "plain value"],
  ['{"self.port": {"a": 1}}', "plain value"],
  ['{"tracker.host": "tracker.example"}', { trackerUrl: "http://tracker.example:5000" }],
  [
    '{"tracker.host": "http://tracker.example", "tracker.port": "80"}',
    { trackerUrl: "http://tracker.example" },
  ],
  ['{"tracker.host": "https://tracker.example"}', { trackerUrl: "https://tracker.example" }],
  [
    '{"tracker.host": "HTTP://tracker.example/p/", "tracker.port": 9}',
    { trackerUrl: "http://tracker.example:9/p" },
  ],
  ['{"tracker.host": "::1", "tracker.port": 9}', { trackerUrl: "http://[::1]:9" }],
  ['{"tracker.host": "localhost:9", "tracker.port": 9}', { trackerUrl: "http://localhost:9" }],
  ['{"tracker.port": 9}', { trackerUrl: "http://localhost:9" }],
  ['{"tracker.host": "localhost:8", "tracker.port": 9}', "tracker.port is 9"],
  ['{"tracker.port": 0}', "tracker.port is 0"],
  ['{"tracker.host": "ftp://a"}', "tracker.host"],
  ['{"tracker.host": "http://u:p@a"}', "tracker.host"],
  ['{"tracker.host": "http://a/?q=1"}', "tracker.host"],
  ['{"tracker.host": ""}', "tracker.host"],
  ['{"tracker.host": 7}', "tracker.host is 7"],
  ['{"self.name": "x"}', 'unknown key "self.name"'],
  ['{"self": {"port": 1}}', "plain value"],
  ['{"__proto__": "x"}', 'unknown key "__proto__"'],
  ['{"SELF.PORT": 1}', 'unknown key "SELF.PORT"'],
  ['{"self.port": 1, "self.port": 2}', "a key comes twice"],
  ["[]", "no JSON object"],
  ["null", "no JSON object"],
  ["", "no JSON"],
  ['{"self.port": 1', "no JSON"],
  ['{"self.port": 1,}', "no JSON"],
  ["{'self.port': 1}", "no JSON"],
  ['{"self.port": 1} // why', "no JSON"],
];

describe("parseConfigFile", () => {
  test("parseConfigFile has at least 60 fixtures", () => {
    expect(CFG.length).toBeGreaterThanOrEqual(60);
  });

  for (const [file, wished] of CFG) {
    const verdict = typeof wished === "string" ? "refuses" : "reads";
    test(`CFG-1: parseConfigFile ${verdict} ${JSON.stringify(file.slice(0, 60))}`, () => {
      const parse = (): unknown => parseConfigFile(new TextEncoder().encode(file), "c.json");
      if (typeof wished !== "string") {
        expect(parse()).toMatchObject(wished);
        return;
      }
      expect(messageOf(parse)).toStartWith("Cannot read config c.json: ");
      expect(messageOf(parse)).toContain(wished);
    });
  }

  test("CFG-1: parseConfigFile refuses what is not UTF-8", () => {
    const bytes = Uint8Array.of(
      ...new TextEncoder().encode('{"self.service": "'),
      0xff,
      0x22,
      0x7d,
    );
    expect(messageOf(() => parseConfigFile(bytes, "c.json"))).toContain("UTF-8");
  });
});

describe("parseByteSize", () => {
  test("parseByteSize reads 1024-based units and refuses everything else", () => {
    const good: readonly (readonly [string, number])[] = [
      ["0", 0],
      ["1", 1],
      ["64K", 65_536],
      ["10m", 10_485_760],
      ["1G", 2 ** 30],
      ["2T", 2 ** 41],
      ["1.5K", 1536],
      ["9007199254740991", Number.MAX_SAFE_INTEGER],
    ];
    for (const [text, bytes] of good) expect([text, parseByteSize(text)]).toEqual([text, bytes]);
    const bad = [
      "",
      "K",
      "-1",
      "+1",
      "1.5",
      " 1",
      "1 K",
      "1KB",
      "0x10",
      "1e3",
      "9007199254740992",
      "1P",
      "١K",
    ];
    for (const text of bad) expect([text, parseByteSize(text)]).toEqual([text, undefined]);
  });
});

describe("parseDurationMs", () => {
  test("parseDurationMs reads ms, s, m, h and plain seconds and refuses everything else", () => {
    const good: readonly (readonly [string, number])[] = [
      ["500ms", 500],
      ["30s", 30_000],
      ["5m", 300_000],
      ["2h", 7_200_000],
      ["7", 7000],
      ["1.5s", 1500],
      ["596h", 2_145_600_000],
    ];
    for (const [text, ms] of good) expect([text, parseDurationMs(text)]).toEqual([text, ms]);
    expect(parseDurationMs(`${DURATION_MS_MAX}ms`)).toBe(DURATION_MS_MAX);
    const bad = [
      "",
      "0",
      "0s",
      "-1s",
      "s",
      "1d",
      "1 s",
      "597h",
      `${DURATION_MS_MAX + 1}ms`,
      "0.4ms",
      "1S",
      "1e3",
    ];
    for (const text of bad) expect([text, parseDurationMs(text)]).toEqual([text, undefined]);
  });
});

describe("parseHostPort", () => {
  test("parseHostPort and formatHostPort are each other's inverse", () => {
    for (const text of [
      "localhost:1",
      "1.2.3.4:65535",
      "[::1]:7000",
      "[2001:db8::1]:80",
      "[fe80::1%eth0.100]:80",
      "a_b.c-d.e:9",
    ]) {
      const address = parseHostPort(text, 1);
      expect(address).toBeDefined();
      if (address !== undefined) expect(formatHostPort(address)).toBe(text);
    }
  });

  test("parseHostPort takes port 0 only where it means any", () => {
    expect(parseHostPort("h:0", 0)).toEqual({ host: "h", port: 0 });
    expect(parseHostPort("h:0", 1)).toBeUndefined();
  });

  test("parseHostPort refuses what is ambiguous or resolves oddly", () => {
    for (const text of [
      "::1:80",
      "[::1]",
      "[h]:1",
      "[fe80::1%]:1",
      "[1.2.3.4%eth0]:1",
      "h:",
      ":1",
      "1.2.3:4",
      "0177.0.0.1:1",
      "h:1:2",
      "é:1",
      "",
    ]) {
      expect([text, parseHostPort(text, 0)]).toEqual([text, undefined]);
    }
  });
});
