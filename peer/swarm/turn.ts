import type { PartRun } from "../../protocol/geometry.ts";
import type { Customer } from "./customer.ts";
import type { ConnectionId } from "./messages.ts";

/** What somebody would be sent, and what speaks for it. */
export interface Offer {
  readonly run: PartRun;
  /** Connected peers that we sent it to. */
  readonly copies: number;
  /** Parts that the asker has: who has few has nobody else to ask, or nothing yet to give. */
  readonly had: number;
}

/** Who is next, and with what. */
export interface Turn extends Offer {
  readonly connection: ConnectionId;
  readonly customer: Customer;
}

/** What was sent least often goes first, then who has least. */
export function isSooner(one: Turn, other: Turn): boolean {
  if (one.copies !== other.copies) return one.copies < other.copies;
  if (one.had !== other.had) return one.had < other.had;
  return one.customer.bytes < other.customer.bytes;
}
