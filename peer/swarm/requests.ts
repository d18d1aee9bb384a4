import { assert } from "../../protocol/errors.ts";
import type { PartIndex, PartRun } from "../../protocol/geometry.ts";
import type { ConnectionId } from "./messages.ts";

/** One run that a connection was asked for and has not answered yet. */
export interface OpenRequest {
  readonly connection: ConnectionId;
  readonly run: PartRun;
  readonly bytes: number;
  readonly askedAtMs: number;
  bytesArrived: number;
  /** Taken back: its parts may be asked of others, its answer is still to come. */
  isCancelled: boolean;
}

/** What we asked of whom: every request stands here from asking until its one answer. Sends nothing. */
export class RequestLedger {
  readonly #open = new Map<ConnectionId, Map<PartIndex, OpenRequest>>();
  readonly #bytesOpen = new Map<ConnectionId, number>();
  #bytesTotal = 0;

  /** Bytes asked for and not answered, over all connections. */
  get bytesTotal(): number {
    return this.#bytesTotal;
  }

  /** Bytes asked of the connection and not answered. */
  bytesOpen(connection: ConnectionId): number {
    return this.#bytesOpen.get(connection) ?? 0;
  }

  countOpen(connection: ConnectionId): number {
    return this.#open.get(connection)?.size ?? 0;
  }

  /** Notes a request that is being sent. */
  add(request: {
    readonly connection: ConnectionId;
    readonly run: PartRun;
    readonly bytes: number;
    readonly askedAtMs: number;
  }): void {
    const { connection, run, bytes } = request;
    const open = this.#open.get(connection) ?? new Map<PartIndex, OpenRequest>();
    assert(!open.has(run.first), "One request a first part and connection");
    open.set(run.first, { ...request, bytesArrived: 0, isCancelled: false });
    this.#open.set(connection, open);
    this.#count(connection, bytes);
  }

  /** @returns the open request that starts with the part, cancelled ones too */
  find(connection: ConnectionId, first: PartIndex): OpenRequest | undefined {
    return this.#open.get(connection)?.get(first);
  }

  /** The answer is whole: the request is gone.
   * @returns undefined when there was none */
  settle(connection: ConnectionId, first: PartIndex): OpenRequest | undefined {
    const open = this.#open.get(connection);
    const request = open?.get(first);
    if (request === undefined) return undefined;
    open?.delete(first);
    this.#count(connection, -request.bytes);
    return request;
  }

  /** The connection's requests in the order they were asked. */
  of(connection: ConnectionId): readonly OpenRequest[] {
    return [...(this.#open.get(connection)?.values() ?? [])];
  }

  /** All requests that were not taken back. */
  *active(): Generator<OpenRequest> {
    for (const open of this.#open.values()) {
      for (const request of open.values()) if (!request.isCancelled) yield request;
    }
  }

  /** The connection is gone, and what it was asked for with it.
   * @returns what it still owed */
  drop(connection: ConnectionId): readonly OpenRequest[] {
    const requests = this.of(connection);
    for (const request of requests) this.settle(connection, request.run.first);
    this.#open.delete(connection);
    this.#bytesOpen.delete(connection);
    return requests;
  }

  #count(connection: ConnectionId, bytes: number): void {
    this.#bytesTotal += bytes;
    this.#bytesOpen.set(connection, this.bytesOpen(connection) + bytes);
  }
}
