import { describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { makeTempDirectory, removeDirectory } from "../support/tracker.ts";

const UNIT = join(import.meta.dir, "../../tracker/tracker.service");
/** From 0, nothing to be had, to 10; systemd calls what is below 2 "OK" and what is above 9 "UNSAFE". */
const EXPOSURE_MAX = 2;

type Settings = ReadonlyMap<string, readonly string[]>;

function parseUnit(text: string): Settings {
  const settings = new Map<string, string[]>();
  let section = "";
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const header = /^\[(\w+)\]$/.exec(line)?.[1];
    if (header !== undefined) {
      section = header;
      continue;
    }
    const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) throw new Error(`Unreadable: ${line}`);
    const name = `${section}.${key}`;
    settings.set(name, [...(settings.get(name) ?? []), value]);
  }
  return settings;
}

/** What keeps a tracker that was taken over in its corner. */
const WANTED: Readonly<Record<string, readonly string[]>> = {
  "Service.DynamicUser": ["yes"],
  "Service.StateDirectory": ["tracker"],
  "Service.ProtectSystem": ["strict"],
  "Service.ProtectHome": ["yes"],
  "Service.NoNewPrivileges": ["yes"],
  "Service.PrivateTmp": ["yes"],
  "Service.CapabilityBoundingSet": [""],
  "Service.RestrictAddressFamilies": ["AF_INET AF_INET6 AF_UNIX"],
  "Service.SystemCallFilter": ["@system-service", "~@privileged @resources"],
  "Service.UnsetEnvironment": ["BUN_OPTIONS BUN_BE_BUN"],
  "Service.Restart": ["on-failure"],
  "Service.SuccessExitStatus": ["143"],
  "Service.MemoryMax": ["1G"],
  "Service.LimitNOFILE": ["65536"],
  "Install.WantedBy": ["multi-user.target"],
};

function missing(settings: Settings): readonly string[] {
  return Object.entries(WANTED)
    .filter(([name, values]) => !Bun.deepEquals(settings.get(name), values))
    .map(([name]) => name);
}

/** Asks systemd about a unit whose program is one that any machine has. */
async function analyze(text: string, ...args: readonly string[]) {
  const directory = await makeTempDirectory();
  try {
    const path = join(directory, "tracker.service");
    await writeFile(path, text.replace(/^ExecStart=.*$/m, `ExecStart=${process.execPath}`));
    const { exitCode, stdout, stderr } = Bun.spawnSync(["systemd-analyze", ...args, path]);
    return { exitCode, text: `${stdout}${stderr}` };
  } finally {
    await removeDirectory(directory);
  }
}

/** Units on disk can be judged since version 250. */
function canJudge(): boolean {
  const path = Bun.which("systemd-analyze");
  const said = path === null ? "" : Bun.spawnSync([path, "--version"]).stdout.toString();
  return Number(/^systemd (\d+)/.exec(said)?.[1] ?? 0) >= 250;
}

function exposureIn(text: string): number {
  return Number(/exposure level for \S+: ([\d.]+)/.exec(text)?.[1] ?? Number.NaN);
}

describe("tracker.service", () => {
  test("has every guard, and would be caught without one (control)", async () => {
    const text = await Bun.file(UNIT).text();
    expect(missing(parseUnit(text))).toEqual([]);
    for (const name of Object.keys(WANTED)) {
      const key = name.slice(name.indexOf(".") + 1);
      const without = text.replace(new RegExp(`^${key}=.*\\n`, "gm"), "");
      expect(missing(parseUnit(without))).toEqual([name]);
    }
  });

  test("gives a temporary directory from which the database driver can be loaded", async () => {
    const settings = parseUnit(await Bun.file(UNIT).text());
    expect(settings.has("Service.NoExecPaths")).toBe(false);
    expect(settings.has("Service.MemoryDenyWriteExecute")).toBe(false);
    expect(settings.get("Service.TemporaryFileSystem")).toBeUndefined();
  });

  test.if(canJudge())(
    "is right by systemd, and exposes little; a bare one exposes much (control)",
    async () => {
      const text = await Bun.file(UNIT).text();
      const verified = await analyze(text, "verify");
      expect(verified.exitCode).toBe(0);
      expect(verified.text).not.toContain("tracker.service:");
      const wrong = text.replace("ProtectHome=yes", "ProtectHome=perhaps");
      expect((await analyze(wrong, "verify")).text).toContain("tracker.service:");
      const judge = ["security", "--offline=true", "--no-pager"] as const;
      expect(exposureIn((await analyze(text, ...judge)).text)).toBeLessThan(EXPOSURE_MAX);
      const bare = "[Service]\nExecStart=x\n";
      expect(exposureIn((await analyze(bare, ...judge)).text)).toBeGreaterThan(9);
    },
  );
});
