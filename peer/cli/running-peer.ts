import { join } from "node:path";
import { acquireLock, type Lock } from "../storage/lock.ts";
import { isServedByOther, listenForControl, refreshOther } from "../transfer/control.ts";
import { LocalPeer } from "../transfer/local-peer.ts";
import type { Context } from "./verbs.ts";

/** A verb's peer while the verb runs. */
export interface RunningPeer extends AsyncDisposable {
  readonly peer: LocalPeer;
  /** Whether another run serves the same data directory, and is to get what this one has. */
  readonly isHelper: boolean;
  /** Lets the run that serves the data directory take over what the library has new.
   * @throws {StorageError} io */
  handOver(): Promise<void>;
}

/** Starts a peer for an upload or a download. Beside a run that serves the same data directory it listens at any port.
 * @param options.keeps false for a peer that leaves nothing behind
 * @throws as `LocalPeer.start` */
export async function startPeer(
  context: Context,
  options: { readonly keeps: boolean } = { keeps: true },
): Promise<RunningPeer> {
  const { disk, clock, config, signal } = context;
  const stateDir = join(config.dataDir, "state");
  const isHelper = await isServedByOther(disk, stateDir);
  const listen = isHelper ? { ...config.listen, port: 0 } : config.listen;
  const dependencies = toDependencies({ ...context, config: { ...config, listen } });
  const peer = await LocalPeer.start(dependencies, options);
  return {
    peer,
    isHelper,
    handOver: () => refreshOther(clock, stateDir, signal),
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  };
}

/** Starts the peer that serves the data directory: one at a time, and others hand over to it.
 * @throws {StorageError} busy, also as `LocalPeer.start` */
export async function startServingPeer(context: Context): Promise<RunningPeer> {
  const { disk, log } = context;
  const peer = await LocalPeer.start(toDependencies(context));
  const stateDir = peer.library.journalDir;
  let lock: Lock | undefined;
  try {
    lock = await acquireLock(context, join(stateDir, "serve.lock"), "the data directory");
    const control = await listenForControl(disk, stateDir, () => peer.shares.refresh());
    if (control === undefined)
      log.warn("Other runs cannot hand over: the data directory's path is too long");
    const held = lock;
    const release = async () => {
      await control?.stop();
      await peer[Symbol.asyncDispose]();
      await held.release();
    };
    return {
      peer,
      isHelper: false,
      handOver: async () => undefined,
      [Symbol.asyncDispose]: release,
    };
  } catch (cause) {
    await lock?.release();
    await peer[Symbol.asyncDispose]();
    throw cause;
  }
}

/** Lets the run that serves the data directory, if there is one, look at it again; resolves when it has.
 * @throws {StorageError} io */
export async function refreshServing({ disk, clock, config, signal }: Context): Promise<void> {
  const stateDir = join(config.dataDir, "state");
  if (await isServedByOther(disk, stateDir)) await refreshOther(clock, stateDir, signal);
}

/** Waits for the end of the run.
 * @throws the signal's reason, always */
export async function untilStopped(signal: AbortSignal): Promise<never> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  throw signal.reason;
}

function toDependencies({ config, clock, random, disk, log, report }: Context) {
  return { config, clock, random, disk, log, emit: report.emit };
}
