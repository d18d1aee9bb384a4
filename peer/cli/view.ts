import type { OutputEvent } from "../events.ts";

/** One way to show what happens; a run has several side by side. */
export interface View {
  /** @param nowMs the clock's monotonic time */
  show(event: OutputEvent, nowMs: number): void;
}
