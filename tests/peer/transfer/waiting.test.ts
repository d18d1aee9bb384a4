import { describe, expect, test } from "bun:test";
import { TrackerError } from "../../../peer/errors.ts";
import type { WaitingFor } from "../../../peer/swarm/messages.ts";
import { explainWaiting } from "../../../peer/transfer/waiting.ts";
import { addressOf, geometryOf, partOf } from "../../support/swarm-fixtures.ts";

const geometry = geometryOf(20);

function waiting(options: Partial<WaitingFor> = {}): WaitingFor {
  return { missingParts: 5, peers: 0, parts: [], unreachable: [], ...options };
}

function missing(part: number, ...answers: readonly string[]): WaitingFor["parts"][number] {
  return {
    part: partOf(geometry, part),
    holders: answers.length,
    askedOf: answers.map((answer, at) => ({ address: addressOf(at + 1), answer })),
  };
}

describe("explainWaiting", () => {
  test("explainWaiting says that nobody is there, who could not be reached and what the tracker said", () => {
    const error = new TrackerError("unreachable", "Cannot ask tracker http://t: no answer");
    const unreachable = [1, 2, 3, 4].map((number) => ({
      address: addressOf(number),
      reason: "refused",
    }));
    const event = explainWaiting(waiting({ parts: [missing(0)], unreachable }), [
      { type: "answered" },
      { type: "failing", error },
    ]);
    expect(event).toMatchObject({ type: "waiting", reason: "no_peers" });
    expect(event.message).toBe(
      "no peer is connected, 10.0.0.1:7000: refused, 10.0.0.2:7000: refused, " +
        "10.0.0.3:7000: refused, Cannot ask tracker http://t: no answer",
    );
  });

  test("explainWaiting says which part nobody has", () => {
    const event = explainWaiting(
      waiting({ peers: 2, parts: [missing(7), missing(8, "busy")] }),
      [],
    );
    expect(event.reason).toBe("no_holder");
    expect(event.message).toBe(
      "part 7: 0 of 2 peers have it, part 8: 1 of 2 peers have it (10.0.0.1:7000: busy), " +
        "3 more parts are missing",
    );
    expect(event.parts).toEqual([
      { part: partOf(geometry, 7), askedOf: [] },
      { part: partOf(geometry, 8), askedOf: [{ address: "10.0.0.1:7000", answer: "busy" }] },
    ]);
  });

  test("explainWaiting says who has a part and sends nothing", () => {
    const event = explainWaiting(
      waiting({ peers: 2, missingParts: 1, parts: [missing(7, "no data yet", "missing")] }),
      [],
    );
    expect(event.reason).toBe("no_data");
    expect(event.message).toBe(
      "part 7: 2 of 2 peers have it (10.0.0.1:7000: no data yet; 10.0.0.2:7000: missing)",
    );
  });
});
