import type { Crypto } from "../../protocol/crypto.ts";
import type { Clock, Random } from "../clock.ts";
import type { PeerConfig } from "../config.ts";
import type { EmitEvent } from "../events.ts";
import type { Log } from "../log.ts";
import type { Disk } from "../storage/disk.ts";

/** What everything in transfer/ runs on. */
export interface TransferDependencies {
  readonly config: PeerConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly disk: Disk;
  readonly log: Log;
  readonly emit: EmitEvent;
}
