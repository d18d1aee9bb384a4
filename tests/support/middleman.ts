import { systemClock, systemRandom } from "../../peer/clock.ts";
import { type Certificate, createCertificate } from "../../peer/net/certificate.ts";
import { dial } from "../../peer/net/dial.ts";
import { listen } from "../../peer/net/listen.ts";
import type { SocketStreams } from "../../peer/net/socket.ts";
import { secure } from "../../peer/net/tls.ts";
import { PREFACE_BYTES } from "../../protocol/limits.ts";
import { encodePreface, type TransportMode } from "../../protocol/session.ts";

/** One who sits between two peers, over real sockets: whoever dials him is carried on to the target. He has no torrent. */
export interface Middleman extends AsyncDisposable {
  readonly port: number;
  /** `host:port`, as peers name it. */
  readonly address: string;
  /** One for each connection that came, in order. */
  readonly sessions: readonly Session[];
  /** Everything that he could read, of all connections. */
  readonly read: () => Buffer;
}

export type Speaker = "dialler" | "listener";

/** What passed on one connection, as he read it. */
export class Session {
  readonly #chunks: Record<Speaker, Uint8Array[]> = { dialler: [], listener: [] };
  /** Whether both ends of the transport stand, his own included. */
  isThrough = false;

  /** @returns what that side has said so far */
  saidBy(speaker: Speaker): Buffer {
    return Buffer.concat(this.#chunks[speaker]);
  }

  record(speaker: Speaker, chunk: Uint8Array): void {
    this.#chunks[speaker].push(chunk.slice());
  }
}

export interface MiddlemanOptions {
  /** He ends the transport himself, each leg in a mode of its own: `near` to who dialled him, `far` to the target. In mode tls
   * he shows each a certificate of his making. Without: he passes on what is on the wire. */
  readonly legs?: { readonly near: TransportMode; readonly far: TransportMode };
  /** One byte that he changes on its way: where in what that side says, and into what. */
  readonly change?: {
    readonly by: Speaker;
    readonly at: number;
    readonly to: (byte: number) => number;
  };
}

/** @param target the port, on this machine, of the peer that is meant */
export async function startMiddleman(
  target: number,
  options: MiddlemanOptions = {},
): Promise<Middleman> {
  const { near, far } = options.legs ?? {};
  const isEncrypted = near === "tls" || far === "tls";
  const certificates = isEncrypted ? await Promise.all([newCertificate(), newCertificate()]) : [];
  const carriers = new Set<Carrier>();
  const sessions: Session[] = [];
  const listener = listen({ host: "127.0.0.1", port: 0 }, (socket) => {
    const session = new Session();
    sessions.push(session);
    const carrier = new Carrier(socket, session, { ...options, certificates });
    carriers.add(carrier);
    void carrier.carry(target).finally(() => carriers.delete(carrier));
  });
  return {
    port: listener.port,
    address: `127.0.0.1:${listener.port}`,
    sessions,
    read: () => Buffer.concat(sessions.flatMap((s) => [s.saidBy("dialler"), s.saidBy("listener")])),
    [Symbol.asyncDispose]: async () => {
      listener.stop();
      await Promise.all([...carriers].map((carrier) => carrier.end()));
    },
  };
}

interface CarrierOptions extends MiddlemanOptions {
  /** What he shows to who dialled him, and to the target; none when no leg is encrypted. */
  readonly certificates: readonly Certificate[];
}

const NO_CERTIFICATE: Certificate = { cert: "", key: "" };

/** One connection through him. */
class Carrier {
  readonly #session: Session;
  readonly #options: CarrierOptions;
  readonly #stop = new AbortController();
  readonly #whenDone = Promise.withResolvers<void>();
  #near: SocketStreams;
  #far: SocketStreams | undefined;

  constructor(near: SocketStreams, session: Session, options: CarrierOptions) {
    this.#near = near;
    this.#session = session;
    this.#options = options;
  }

  /** Settles when the connection is over, however it ended: that one of the peers refused is what is looked for. */
  async carry(target: number): Promise<void> {
    try {
      const far = await dial({ host: "127.0.0.1", port: target }, this.#stop.signal);
      this.#far = far;
      await this.#stepBetween(far);
      this.#session.isThrough = true;
      await Promise.all([
        this.#pass("dialler", this.#near, this.#far ?? far),
        this.#pass("listener", this.#far ?? far, this.#near),
      ]);
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause)) throw cause;
    } finally {
      this.#stop.abort();
      this.#near.terminate();
      this.#far?.terminate();
      this.#whenDone.resolve();
    }
  }

  async end(): Promise<void> {
    this.#stop.abort();
    this.#near.terminate();
    this.#far?.terminate();
    await this.#whenDone.promise;
  }

  async #stepBetween(far: SocketStreams): Promise<void> {
    const { legs, certificates } = this.#options;
    if (legs === undefined) return;
    await takePreface(this.#near);
    await say(far, encodePreface(legs.far));
    await takePreface(far);
    await say(this.#near, encodePreface(legs.near));
    const { signal } = this.#stop;
    const [forNear = NO_CERTIFICATE, forFar = NO_CERTIFICATE] = certificates;
    const secureNear = async () => {
      this.#near = (await secure(this.#near, forNear, { isServer: true, signal })).streams;
    };
    const secureFar = async () => {
      this.#far = (await secure(far, forFar, { isServer: false, signal })).streams;
    };
    await Promise.all([
      legs.near === "tls" ? secureNear() : undefined,
      legs.far === "tls" ? secureFar() : undefined,
    ]);
  }

  async #pass(speaker: Speaker, from: SocketStreams, to: SocketStreams): Promise<void> {
    const { change } = this.#options;
    const writer = to.writable.getWriter();
    let seen = 0;
    for await (const chunk of from.readable) {
      this.#session.record(speaker, chunk);
      const at = change?.by === speaker ? change.at - seen : -1;
      const byte = chunk[at];
      seen += chunk.length;
      await writer.write(
        change === undefined || byte === undefined ? chunk : chunk.with(at, change.to(byte)),
      );
    }
    await writer.close();
  }
}

async function takePreface(from: SocketStreams): Promise<void> {
  const reader = from.readable.getReader();
  for (let seen = 0; seen < PREFACE_BYTES; ) {
    const { value } = await reader.read();
    if (value === undefined) throw Object.assign(new Error("It hung up"), { code: "reset" });
    seen += value.length;
  }
  reader.releaseLock();
}

async function say(to: SocketStreams, bytes: Uint8Array): Promise<void> {
  const writer = to.writable.getWriter();
  await writer.write(bytes);
  writer.releaseLock();
}

function newCertificate(): Promise<Certificate> {
  return createCertificate(systemClock, systemRandom);
}
