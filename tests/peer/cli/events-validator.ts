import Ajv from "ajv";
import { eventsSchema } from "./events-schema.ts";

/** @returns a function that gives the faults of an event; fields that the schema does not name are faults too */
export function createEventsValidator(): (event: unknown) => string {
  const ajv = new Ajv({ allErrors: false, strict: true, discriminator: false });
  const validate = ajv.compile(closed(eventsSchema()));
  return (event) => (validate(event) ? "" : ajv.errorsText(validate.errors));
}

/** The published schema lets fields be added; here each one must be known. */
function closed(schema: unknown): Record<string, unknown> {
  return JSON.parse(JSON.stringify(schema), (_key, value) =>
    value?.type === "object" && value.properties !== undefined
      ? { ...value, additionalProperties: false }
      : value,
  );
}

/** @returns the events of a run's `--json` output, each line parsed */
export function parseLines(stdout: string): readonly Record<string, unknown>[] {
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}
