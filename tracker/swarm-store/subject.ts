import { neighbourhoodOf } from "../../protocol/address-policy.ts";
import { keyOf } from "../name-key.ts";
import type { Announce } from "./store.ts";

/** An announce, but for the text of its peer id. */
export type News = Omit<Announce, "peer">;

/** What an announce is about, looked up once. */
export interface Subject {
  readonly announce: News;
  /** Of the address. */
  readonly key: number;
  /** Of the peer id; 0 when there is none. */
  readonly peer: number;
}

export function toSubject(announce: Announce): Subject {
  const peer = announce.peer === undefined ? 0 : keyOf(announce.peer);
  return { announce, key: keyOf(announce.host, announce.port), peer };
}

/** @returns the same number for all addresses of one /24 or /48, as good as never for others; 32 bits with a sign */
export function neighbourhoodNumber(host: string): number {
  return keyOf(neighbourhoodOf(host)) | 0;
}
