import { assert } from "../../protocol/errors.ts";
import type { Geometry, PartIndex, PartRun, SpanIndex } from "../../protocol/geometry.ts";
import type { ConnectionId } from "./messages.ts";

/** One run that a connection was asked for and has not answered yet. */
export interface OpenRequest {
  readonly connection: ConnectionId;
  readonly run: PartRun;
  readonly bytes: number;
  readonly askedAtMs: number;
  /** Bytes that had come from the peer by then. */
  readonly receivedBefore: number;
  bytesArrived: number;
  /** Taken back: its parts may be asked of others, its answer is still to come. */
  isCancelled: boolean;
}

/** What we asked of whom: every request stands here from asking until its one answer. Sends nothing. */
export class RequestLedger {
  readonly #geometry: Pick<Geometry, "spanOf" | "spansOf">;
  readonly #open = new Map<ConnectionId, Map<PartIndex, OpenRequest>>();
  /** The same requests by the span that they lie in: no request reaches beyond one. */
  readonly #ofSpan = new Map<SpanIndex, Set<OpenRequest>>();
  readonly #bytesOpen = new Map<ConnectionId, number>();
  #bytesTotal = 0;

  constructor(geometry: Pick<Geometry, "spanOf" | "spansOf">) {
    this.#geometry = geometry;
  }

  /** Bytes asked for and not answered, over all connections. */
  get bytesTotal(): number {
    return this.#bytesTotal;
  }

  /** Requests without an answer, over all connections, those that were taken back too. */
  get countTotal(): number {
    let count = 0;
    for (const open of this.#open.values()) count += open.size;
    return count;
  }

  /** Bytes asked of the connection and not answered. */
  bytesOpen(connection: ConnectionId): number {
    return this.#bytesOpen.get(connection) ?? 0;
  }

  countOpen(connection: ConnectionId): number {
    return this.#open.get(connection)?.size ?? 0;
  }

  /** Notes a request that is being sent. */
  add(request: Omit<OpenRequest, "bytesArrived" | "isCancelled">): void {
    const { connection, run, bytes } = request;
    const open = this.#open.get(connection) ?? new Map<PartIndex, OpenRequest>();
    assert(!open.has(run.first), "One request a first part and connection");
    const added = { ...request, bytesArrived: 0, isCancelled: false };
    open.set(run.first, added);
    this.#open.set(connection, open);
    const span = this.#geometry.spanOf(run.first);
    this.#ofSpan.set(span, (this.#ofSpan.get(span) ?? new Set()).add(added));
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
    const span = this.#geometry.spanOf(first);
    const others = this.#ofSpan.get(span);
    others?.delete(request);
    if (others?.size === 0) this.#ofSpan.delete(span);
    this.#count(connection, -request.bytes);
    return request;
  }

  /** The connection's requests in the order they were asked. */
  of(connection: ConnectionId): readonly OpenRequest[] {
    return [...(this.#open.get(connection)?.values() ?? [])];
  }

  /** Requests for any part of the run that were not taken back, whoever was asked. */
  *touching(run: PartRun): Generator<OpenRequest> {
    for (const span of this.#geometry.spansOf(run)) {
      for (const request of this.#ofSpan.get(span) ?? []) {
        const isApart =
          request.run.first >= run.first + run.count ||
          run.first >= request.run.first + request.run.count;
        if (!isApart && !request.isCancelled) yield request;
      }
    }
  }

  /** How many connections owe anything. */
  get countOwing(): number {
    let count = 0;
    for (const open of this.#open.values()) if (open.size > 0) count++;
    return count;
  }

  /** Connections that owe anything. */
  *owing(): Generator<ConnectionId> {
    for (const [connection, open] of this.#open) if (open.size > 0) yield connection;
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
