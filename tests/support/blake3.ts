import { readFileSync } from "node:fs";
import { addonPlatform } from "../../build.ts";

const LOCK = readFileSync(new URL("../../bun.lock", import.meta.url), "utf8");

/** Whether an install brings the BLAKE3 library's addon to this kind of machine. There its tests run, and fail when the
 * addon cannot be loaded; elsewhere they are left out. */
export const HAS_BLAKE3 = LOCK.includes(`"@napi-rs/blake-hash-${addonPlatform()}": [`);
