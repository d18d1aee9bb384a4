import { readFileSync } from "node:fs";
import { addonPlatform } from "../../build.ts";
import type { PartAlgorithm } from "../../protocol/part-algorithm.ts";

const LOCK = readFileSync(new URL("../../bun.lock", import.meta.url), "utf8");

/** Whether an install brings the BLAKE3 library's addon to this kind of machine. There its tests run, and fail when the
 * addon cannot be loaded; elsewhere they are left out. */
export const HAS_BLAKE3 = LOCK.includes(`"@napi-rs/blake-hash-${addonPlatform()}": [`);

/** The algorithms that can be tested on this machine. */
export const PART_ALGORITHMS: readonly PartAlgorithm[] = HAS_BLAKE3
  ? ["sha1", "sha256", "blake3"]
  : ["sha1", "sha256"];
