import { type AddressPolicy, classOf } from "../protocol/address-policy.ts";
import { type AddressRange, parseAddressRange } from "./address-range.ts";
import { usage } from "./errors.ts";

/** Who can call the tracker, what they are believed, and how much they may ask. */
export interface Exposure {
  /** Whether strangers can call: it decides what the other settings are unless they are given. */
  readonly isPublic: boolean;
  /** Which addresses peers are stored under. */
  readonly addressPolicy: AddressPolicy;
  /** How many requests a second one network may make; 0 for any number. */
  readonly requestsPerSecond: number;
  /** From whom a caller's address is believed, instead of taken for the caller's own. */
  readonly trustedProxies: readonly AddressRange[];
}

/** What is given; undefined is not. */
export interface ExposureSettings {
  readonly addressPolicy: string | undefined;
  readonly rateLimit: string | undefined;
  /** Ranges with commas between them. */
  readonly trustProxy: string | undefined;
}

const REQUESTS_PER_SECOND = 20;
const LOCAL_NAME = /^(.+\.)?localhost\.?$/i;

/** @param host where the tracker listens
 * @throws {FatalError} usage */
export function parseExposure(host: string, settings: ExposureSettings): Exposure {
  const trustedProxies = parseRanges(settings.trustProxy);
  // A proxy has callers of its own: where it leads to says nothing of where they are.
  const usual = trustedProxies.length > 0 ? "source" : usualPolicy(host);
  return {
    isPublic: usual === "source",
    addressPolicy: parsePolicy(settings.addressPolicy ?? usual),
    requestsPerSecond: parseRate(settings.rateLimit),
    trustedProxies,
  };
}

/** @returns what suits those who can reach an address; a name may lead anywhere, unless it is this machine's own */
function usualPolicy(host: string): AddressPolicy {
  if (LOCAL_NAME.test(host)) return "compat";
  switch (classOf(host)) {
    case "loopback":
      return "compat";
    case "private":
    case "uniqueLocal":
    case "carrierGradeNat":
      return "lan";
    default:
      return "source";
  }
}

function parsePolicy(text: string): AddressPolicy {
  if (text === "source" || text === "lan" || text === "compat") return text;
  throw usage("--address-policy is none of source, lan, compat");
}

function parseRate(text: string | undefined): number {
  if (text === undefined) return REQUESTS_PER_SECOND;
  if (/^[0-9]{1,6}$/.test(text)) return Number(text);
  throw usage("--rate-limit is no number from 0 to 999999");
}

function parseRanges(text: string | undefined): readonly AddressRange[] {
  if (text === undefined) return [];
  return text.split(",").map((part) => {
    const range = parseAddressRange(part.trim());
    if (range !== undefined) return range;
    throw usage("--trust-proxy is no list of ranges like 127.0.0.1 or 10.0.0.0/8,fd00::/8");
  });
}
