import { EqualBuffers, PartBuffers } from "../../peer/transfer/part-buffers.ts";
import { describeBufferSource, LONGEST_BYTES, LONGEST_COUNT } from "./buffer-source.ts";

/** A buffer of that length takes whole lines of the processor's cache. */
const MEMORY_BYTES = 1024 * LONGEST_COUNT;

describeBufferSource("of lengths as they come", () => new PartBuffers(MEMORY_BYTES));

describeBufferSource(
  "of equal lengths",
  () => new EqualBuffers(new PartBuffers(MEMORY_BYTES), LONGEST_BYTES),
);
