import { describe, expect, test } from "bun:test";
import { resolveHost, systemLookup } from "../../peer/resolve.ts";
import { failureCode } from "../support/eventually.ts";

const never = new AbortController().signal;
const nobody = () => Promise.reject(new Error("Nobody was to be asked"));

describe("resolveHost", () => {
  test("resolveHost leaves addresses as they are, in canonical form, and asks nobody", async () => {
    for (const [host, literal] of [
      ["127.0.0.1", "127.0.0.1"],
      ["10.1.2.3", "10.1.2.3"],
      ["[2001:DB8::1]", "2001:db8::1"],
      ["::ffff:10.1.2.3", "10.1.2.3"],
    ] as const)
      expect(await resolveHost(host, nobody, never)).toEqual([literal]);
  });

  test("resolveHost asks the system for a name, and for spellings that only the system reads", async () => {
    const found = await resolveHost("localhost", systemLookup, never);
    for (const literal of found) expect(["127.0.0.1", "::1"]).toContain(literal);
    expect(await resolveHost("2130706433", systemLookup, never)).toEqual(["127.0.0.1"]);
    const unknown = resolveHost("no-such-host.invalid", systemLookup, never);
    expect(await failureCode(unknown)).toBe("unreachable");
  });

  test("CLI-1: resolveHost takes four addresses of a name at most, and none for none", async () => {
    const many = async () => ["1.1.1.1", "::FFFF:8.8.8.8", "2", "1.1.1.4", "1.1.1.5"];
    expect(await resolveHost("many.example", many, never)).toEqual([
      "1.1.1.1",
      "8.8.8.8",
      "2",
      "1.1.1.4",
    ]);
    expect(await failureCode(resolveHost("none.example", async () => [], never))).toBe(
      "unreachable",
    );
  });

  test("resolveHost gives up when its time is over", async () => {
    const late = resolveHost("localhost", systemLookup, AbortSignal.abort(new Error("late")));
    expect(await failureCode(late)).toBe("unreachable");
    const stop = new AbortController();
    const silent = resolveHost("silent.example", () => new Promise(() => undefined), stop.signal);
    stop.abort();
    expect(await failureCode(silent)).toBe("unreachable");
  });
});
