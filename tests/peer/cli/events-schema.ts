import { OutputEvent } from "../../../peer/event-schemas.ts";

/** Writes the schema of `--json` where it stands in the tree: `bun tests/peer/cli/events-schema.ts`, then `bun run format`. */
export const SCHEMA_PATH = new URL("../../../peer/cli/events.schema.json", import.meta.url);

/** @returns the schema as plain JSON, without what TypeBox adds for itself */
export function eventsSchema(): Record<string, unknown> {
  return JSON.parse(JSON.stringify(OutputEvent));
}

if (import.meta.main) {
  await Bun.write(SCHEMA_PATH, `${JSON.stringify(eventsSchema(), undefined, 2)}\n`);
}
