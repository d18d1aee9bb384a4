import {
  type AddressPolicy,
  canonicalLiteral,
  PORT_UNPRIVILEGED_MIN,
  resolveAnnouncedHost,
  whyRefused,
  zoneOf,
} from "../../protocol/address-policy.ts";
import type { HashRequest, PeerAddress } from "../../protocol/announce.ts";
import { ClientError } from "../errors.ts";
import { type Judged, JudgedAddresses } from "./judged-addresses.ts";

const PORT_MAX = 65_535;

/** An address as it is stored. */
export type SanitizedAddress = PeerAddress & Judged;

/** Makes the address under which a caller is stored of what it sent and what we saw. Under `source` that is what we saw and
 * nothing else: an address that somebody may choose is one that others can be made to call. */
export class AddressSanitizer {
  readonly #policy: AddressPolicy;
  readonly #judged = new JudgedAddresses();

  constructor(policy: AddressPolicy) {
    this.#policy = policy;
  }

  /** @param source the caller's address as we see it, undefined when there is none
   * @throws {ClientError} bad_host, bad_port */
  sanitize(
    { listening_host, listening_port }: HashRequest,
    source: string | undefined,
  ): SanitizedAddress {
    const announced = this.#policy === "source" ? "" : listening_host;
    const judged = this.#judged.find(announced, source ?? "") ?? this.#judge(announced, source);
    if (judged === "refused") throw new ClientError("bad_host");
    const port = Number(listening_port);
    if (!Number.isInteger(port) || port < 1 || port > PORT_MAX) throw new ClientError("bad_port");
    if (this.#isRefused({ host: judged.host, port }, source)) throw new ClientError("bad_port");
    return { host: judged.host, port, zone: judged.zone };
  }

  #judge(announced: string, source: string | undefined): Judged | "refused" {
    const judged = this.#judgeAnew(announced, source);
    this.#judged.keep(announced, source ?? "", judged);
    return judged;
  }

  /** Names are taken by the policies that get so far: whoever dials one resolves it and judges what it finds. */
  #judgeAnew(announced: string, source: string | undefined): Judged | "refused" {
    const policy = this.#policy;
    const host = resolveAnnouncedHost({ announced, source });
    if (host === undefined) return "refused";
    if (canonicalLiteral(host) !== undefined) {
      const question = { policy, requester: source };
      if (whyRefused({ host, port: PORT_MAX }, question) !== undefined) return "refused";
    }
    return { host, zone: zoneOf(host, policy) };
  }

  /** Low ports are rare, so that the whole question may be asked anew. */
  #isRefused({ host, port }: PeerAddress, source: string | undefined): boolean {
    if (port >= PORT_UNPRIVILEGED_MIN || canonicalLiteral(host) === undefined) return false;
    return whyRefused({ host, port }, { policy: this.#policy, requester: source }) !== undefined;
  }
}
