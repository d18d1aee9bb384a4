import { describe, expect, test } from "bun:test";
import { parseTrackerCommand, type TrackerConfig } from "../../tracker/config.ts";
import { FatalError, formatErrorLine } from "../../tracker/errors.ts";

const HOME = { HOME: "/home/me" };

function configOf(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = HOME,
  isTerminal = false,
): TrackerConfig {
  const command = parseTrackerCommand({ argv, env, isTerminal, version: "1.2.3" });
  if (command.type !== "serve") throw new Error("Expected a configuration");
  return command.config;
}

describe("parseTrackerCommand", () => {
  test("has the documented defaults", () => {
    const config = configOf([]);
    expect(config).toEqual({
      host: "localhost",
      port: 5000,
      databaseUrl: "file:/home/me/.local/share/tracker/tracker.db",
      databaseToken: undefined,
      dataDirectory: "/home/me/.local/share/tracker",
      intervalSeconds: 30,
      ttlMs: 120_000,
      isPublic: false,
      addressPolicy: "compat",
      requestsPerSecond: 20,
      trustedProxies: [],
      slowMs: 250,
      logLevel: "info",
      logFormat: "json",
    });
    expect(Object.isFrozen(config)).toBe(true);
    expect(configOf([], HOME, true).logFormat).toBe("text");
  });

  test("takes flags before variables before defaults", () => {
    const env = {
      TRACKER_HOST: "::",
      TRACKER_PORT: "1",
      PORT: "2",
      TRACKER_DB_URL: "file:a.db",
      TRACKER_DB_TOKEN: "secret",
      TRACKER_INTERVAL: "5",
      TRACKER_TTL: "1m",
      TRACKER_ADDRESS_POLICY: "lan",
      TRACKER_RATE_LIMIT: "5",
      TRACKER_TRUST_PROXY: "10.0.0.0/8, ::1",
      TRACKER_SLOW_QUERY: "40ms",
      TRACKER_LOG_LEVEL: "warn",
      TRACKER_LOG_FORMAT: "text",
    };
    expect(configOf([], env)).toEqual({
      host: "::",
      port: 1,
      databaseUrl: "file:a.db",
      databaseToken: "secret",
      dataDirectory: undefined,
      intervalSeconds: 5,
      ttlMs: 60_000,
      isPublic: true,
      addressPolicy: "lan",
      requestsPerSecond: 5,
      trustedProxies: [
        { address: "10.0.0.0", prefixBits: 8 },
        { address: "::1", prefixBits: 128 },
      ],
      slowMs: 40,
      logLevel: "warning",
      logFormat: "text",
    });
    const flags = [
      "--host",
      "a",
      "--port",
      "3",
      "--db",
      ":memory:",
      "--interval",
      "1s",
      "--ttl",
      "2h",
    ];
    expect(configOf([...flags, "--log-level", "debug", "--log-format", "json"], env)).toMatchObject(
      {
        host: "a",
        port: 3,
        databaseUrl: ":memory:",
        intervalSeconds: 1,
        ttlMs: 7_200_000,
        logLevel: "debug",
        logFormat: "json",
      },
    );
    expect(configOf(["0.0.0.0", "0"], env)).toMatchObject({ host: "0.0.0.0", port: 0 });
  });

  test("takes PORT when TRACKER_PORT is not there or empty, and an empty variable for none", () => {
    expect(configOf([], { ...HOME, PORT: "8080" }).port).toBe(8080);
    expect(configOf([], { ...HOME, PORT: "8080", TRACKER_PORT: "" }).port).toBe(8080);
    expect(configOf([], { ...HOME, TRACKER_DB_URL: "" }).dataDirectory).toBeDefined();
  });

  test("keeps its data under an absolute XDG_DATA_HOME, and ignores a relative one", () => {
    expect(configOf([], { ...HOME, XDG_DATA_HOME: "/x" }).databaseUrl).toBe(
      "file:/x/tracker/tracker.db",
    );
    expect(configOf([], { ...HOME, XDG_DATA_HOME: "x" }).dataDirectory).toStartWith("/home/me/");
  });

  test("takes an IPv6 host with or without brackets", () => {
    expect(configOf(["[::1]", "1"]).host).toBe("::1");
    expect(configOf(["::1", "1"]).host).toBe("::1");
  });

  test("shortens the default interval for a short TTL, so that nobody is lost between two announces", () => {
    expect(configOf(["--ttl", "2s"])).toMatchObject({ intervalSeconds: 0.5, ttlMs: 2000 });
    expect(configOf(["--ttl", "10m"])).toMatchObject({ intervalSeconds: 30 });
  });

  test.each([
    ["10", 10_000],
    ["10s", 10_000],
    ["1500ms", 1500],
    ["2m", 120_000],
    ["168h", 604_800_000],
  ])("reads the time %s", (text, ms) => {
    expect(configOf(["--ttl", text]).ttlMs).toBe(ms);
  });

  test.each(["", "0", "-1", "1.5", "1d", "s", "169h", "9999999999", "1e3", " 5", "5 s"])(
    "refuses the time %j",
    (text) => {
      expect(() => configOf([`--ttl=${text}`])).toThrow(FatalError);
    },
  );

  test.each([
    ["localhost", "compat", false],
    ["tracker.LOCALHOST.", "compat", false],
    ["127.0.0.1", "compat", false],
    ["127.9.9.9", "compat", false],
    ["::1", "compat", false],
    ["::ffff:127.0.0.1", "compat", false],
    ["192.168.1.1", "lan", false],
    ["10.0.0.1", "lan", false],
    ["172.16.0.1", "lan", false],
    ["100.64.0.1", "lan", false],
    ["fd00::1", "lan", false],
    ["0.0.0.0", "source", true],
    ["::", "source", true],
    ["9.9.9.9", "source", true],
    ["2600::1", "source", true],
    ["169.254.1.1", "source", true],
    ["tracker.example", "source", true],
    ["localhost.example", "source", true],
    ["127.1", "source", true],
  ] as const)(
    "TRK-1: listening on %s takes addresses by the policy %s",
    (host, policy, isPublic) => {
      const config = { addressPolicy: policy, isPublic };
      expect(configOf([host, "1"])).toMatchObject(config);
      // What is said goes before what is guessed, and is no reason to let this machine's own callers go without limits.
      const said = configOf([host, "1", "--address-policy", "lan"]);
      expect(said).toMatchObject({ addressPolicy: "lan", isPublic });
      // Behind a proxy anybody may be.
      const behind = configOf([host, "1", "--trust-proxy", "127.0.0.1"]);
      expect(behind).toMatchObject({ addressPolicy: "source", isPublic: true });
    },
  );

  test.each([
    ["--address-policy", ["", "all", "SOURCE", "source,lan"]],
    ["--rate-limit", ["", "-1", "1.5", "x", "1e3", "1000000", " 5"]],
    [
      "--trust-proxy",
      [
        ...["", ",", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8/8", "10/8", "::/129"],
        ...["10.0.0.0/255.0.0.0", "nginx", "10.0.0.1;10.0.0.2", "fe80::1%eth0", "*", "0x7f.0.0.1"],
        ...["::ffff:10.0.0.0/104", "10.0.0.1,", "10.0.0.0/08x"],
      ],
    ],
  ] as const)("refuses what %s cannot be", (flag, values) => {
    for (const value of values) expect(() => configOf([`${flag}=${value}`])).toThrow(flag);
  });

  test("refuses a wrong variable by name", () => {
    expect(() => configOf([], { ...HOME, PORT: "http" })).toThrow("PORT");
    expect(() => configOf([], { ...HOME, TRACKER_LOG_LEVEL: "loud" })).toThrow("--log-level");
  });
});

describe("formatErrorLine", () => {
  test("is one line without anything that moves a terminal's cursor or turns its text", () => {
    const error = new FatalError("io", "Cannot\u001b[2J open\r\n\u202e\u200b: no\u009b such", {
      hint: "try again",
    });
    expect(formatErrorLine(error)).toBe(
      "ERROR code=8 name=io: Cannot[2J open: no such; hint: try again",
    );
  });
});
