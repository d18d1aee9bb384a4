import type { ConnectionId } from "../../peer/swarm/messages.ts";
import type { Parcel } from "../support/link.ts";

/** What a line needs of the peer whose it is. */
export interface LineOwner {
  readonly nowMs: number;
  at(atMs: number, happen: () => void): void;
  /** A parcel is through. */
  onOut(connection: ConnectionId, parcel: Parcel): void;
  /** A connection's buffer has room again. */
  onRoom(connection: ConnectionId): void;
}

/** One line for all connections of a peer, out of it or, where a limit lets in no more, into it. Each connection has a
 * buffer, as a kernel keeps one: what is in there was sent, as far as its sender knows. Parcels of one connection pass in
 * their order, connections take turns. */
export class Line {
  readonly #owner: LineOwner;
  readonly #bytesPerSecond: number;
  readonly #bufferBytes: number;
  readonly #buffers = new Map<ConnectionId, { readonly parcels: Parcel[]; bytes: number }>();
  #turn = 0;
  #isBusy = false;

  constructor(
    owner: LineOwner,
    options: { readonly bytesPerSecond: number; readonly bufferBytes: number },
  ) {
    this.#owner = owner;
    this.#bytesPerSecond = options.bytesPerSecond;
    this.#bufferBytes = options.bufferBytes;
  }

  /** Whether anything is passing or waits to. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** @returns whether the connection takes so many bytes more: one piece in any case */
  hasRoom(connection: ConnectionId, bytes: number): boolean {
    const buffered = this.#buffers.get(connection)?.bytes ?? 0;
    return buffered === 0 || buffered + bytes <= this.#bufferBytes;
  }

  put(connection: ConnectionId, parcel: Parcel): void {
    const buffer = this.#buffers.get(connection) ?? { parcels: [], bytes: 0 };
    if (buffer.parcels.length === 0 && parcel.type !== "piece") {
      this.#owner.onOut(connection, parcel);
      return;
    }
    buffer.parcels.push(parcel);
    buffer.bytes += bytesOf(parcel);
    this.#buffers.set(connection, buffer);
    if (!this.#isBusy) this.#sendNext();
  }

  /** The connection is gone, with all that was to leave. */
  drop(connection: ConnectionId): void {
    this.#buffers.delete(connection);
  }

  #sendNext(): void {
    const connections = [...this.#buffers.keys()];
    const connection = connections[this.#turn++ % Math.max(1, connections.length)];
    const buffer = connection === undefined ? undefined : this.#buffers.get(connection);
    const [parcel] = buffer?.parcels ?? [];
    this.#isBusy = parcel !== undefined;
    if (parcel === undefined || buffer === undefined || connection === undefined) return;
    const outAtMs = this.#owner.nowMs + (bytesOf(parcel) * 1000) / this.#bytesPerSecond;
    this.#owner.at(outAtMs, () => {
      // Cut meanwhile, it gets nowhere.
      if (this.#buffers.get(connection) === buffer) this.#takeOut(connection, buffer);
      this.#sendNext();
    });
  }

  #takeOut(connection: ConnectionId, buffer: { parcels: Parcel[]; bytes: number }): void {
    const parcel = buffer.parcels.shift();
    if (parcel === undefined) return;
    buffer.bytes -= bytesOf(parcel);
    this.#owner.onOut(connection, parcel);
    // Words take no time; what passed may have been the connection's end.
    const isCut = () => this.#buffers.get(connection) !== buffer;
    while (!isCut() && buffer.parcels[0] !== undefined && buffer.parcels[0].type !== "piece")
      this.#owner.onOut(connection, buffer.parcels.shift() as Parcel);
    if (isCut()) return;
    if (buffer.parcels.length === 0) this.#buffers.delete(connection);
    this.#owner.onRoom(connection);
  }
}

function bytesOf(parcel: Parcel): number {
  return parcel.type === "piece" ? parcel.bytes : 0;
}
