import { closeSync, constants, existsSync, openSync, unlinkSync, writeFileSync } from "node:fs";
import { systemClock, systemRandom } from "../../../peer/clock.ts";
import { StorageError } from "../../../peer/errors.ts";
import { acquireLock, type Lock } from "../../../peer/storage/lock.ts";
import { systemDisk } from "../../../peer/storage/system-disk.ts";

/** `lock-holder LOCK`: says "won" and holds the lock until it is killed, or says why it did not get it.
 * `lock-holder LOCK FILE`: gets the lock again and again, and makes sure by FILE that nobody else has it.
 * `lock-holder "" FILE`: the same without any lock, until it meets somebody: the control. */

const dependencies = { disk: systemDisk, clock: systemClock, random: systemRandom };
const TURNS = 15;
const CONTROL_TURNS = 3000;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function hold(path: string): Promise<void> {
  try {
    await acquireLock(dependencies, path, "it");
    say("won");
  } catch (cause) {
    say(cause instanceof StorageError ? `${cause.code} ${cause.message}` : String(cause));
  }
  process.stdin.resume();
}

async function acquireSometime(path: string): Promise<Lock> {
  for (;;) {
    try {
      return await acquireLock(dependencies, path, "it");
    } catch (cause) {
      if (!(cause instanceof StorageError && cause.code === "busy")) throw cause;
    }
  }
}

/** @returns whether someone else was inside */
async function enter(inside: string): Promise<boolean> {
  try {
    closeSync(openSync(inside, constants.O_CREAT | constants.O_EXCL));
  } catch {
    return true;
  }
  await systemClock.sleep(systemRandom.below(5));
  unlinkSync(inside);
  return false;
}

async function contend(path: string, inside: string): Promise<void> {
  let collisions = 0;
  for (let turn = 0; turn < TURNS; turn++) {
    await using _ = await acquireSometime(path);
    if (await enter(inside)) collisions++;
  }
  say(`done ${collisions} collisions`);
}

async function collide(inside: string): Promise<void> {
  let collisions = 0;
  // Whoever meets the other leaves a note, so that it does not go on alone.
  const note = `${inside}.met`;
  for (let turn = 0; turn < CONTROL_TURNS && !existsSync(note); turn++) {
    if (!(await enter(inside))) continue;
    collisions++;
    writeFileSync(note, "");
  }
  say(`done ${collisions} collisions`);
}

const [path = "", inside] = process.argv.slice(2);
if (inside === undefined) await hold(path);
else await (path === "" ? collide(inside) : contend(path, inside));
