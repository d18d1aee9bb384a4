import { writeFileSync } from "node:fs";

/** Preloaded into a peer: counts the bytes that its code moves from one place in memory to another, and writes the sum into the
 * file that COPY_METER_FILE names when the process ends. It stands around the language's and the runtime's own ways of
 * copying bytes, so no code of the peer has to take part, and a copy that somebody adds is counted wherever it is.
 * What the kernel copies, and the runtime between the kernel and its chunks, is not seen here. */

let movedBytes = 0;

/** Replaces a method by one that first counts what a call of it will move. */
function meter<Owner extends object>(
  owner: Owner,
  name: string & keyof Owner,
  bytesOf: (self: unknown, args: readonly unknown[]) => number,
): void {
  const original = owner[name];
  if (typeof original !== "function") throw new Error(`There is no ${name} to count`);
  const counted = function (this: unknown, ...args: unknown[]): unknown {
    movedBytes += bytesOf(this, args);
    return Reflect.apply(original, this, args);
  };
  Object.defineProperty(owner, name, { value: counted, configurable: true, writable: true });
}

function bytesIn(value: unknown): number {
  if (ArrayBuffer.isView(value)) return value.byteLength;
  return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer ? value.byteLength : 0;
}

/** @returns how much of `self` a pair of indices as `slice` takes them names */
function rangeOf(self: unknown, args: readonly unknown[]): number {
  const total = bytesIn(self);
  const toIndex = (given: unknown, usual: number) => {
    const at = given === undefined ? usual : Number(given);
    return at < 0 ? Math.max(0, total + at) : Math.min(total, at);
  };
  return Math.max(0, toIndex(args[1], total) - toIndex(args[0], 0));
}

const viewPrototype = Object.getPrototypeOf(Uint8Array.prototype);
meter(viewPrototype, "set", (_self, [source]) => bytesIn(source));
meter(viewPrototype, "slice", rangeOf);
meter(viewPrototype, "copyWithin", (self, [, ...range]) => rangeOf(self, range));
meter(ArrayBuffer.prototype, "slice", rangeOf);
meter(SharedArrayBuffer.prototype, "slice", rangeOf);
// A Buffer's `slice` is a view, and its `copy` goes to another one.
Object.defineProperty(Buffer.prototype, "slice", { value: Buffer.prototype.subarray });
meter(Buffer.prototype, "copy", (self, [, , start, end]) => rangeOf(self, [start, end]));
meter(Buffer, "from", (_self, [source]) => (ArrayBuffer.isView(source) ? bytesIn(source) : 0));
meter(Buffer, "concat", (_self, [list]) => sumOf(list));
meter(Uint8Array, "from", (_self, [source]) => (ArrayBuffer.isView(source) ? bytesIn(source) : 0));
meter(globalThis, "structuredClone", (_self, [source]) => bytesIn(source));

function sumOf(list: unknown): number {
  return Array.isArray(list) ? list.reduce((sum: number, one) => sum + bytesIn(one), 0) : 0;
}

/** A view made of another view is a copy; one made of a buffer is none. */
globalThis.Uint8Array = new Proxy(Uint8Array, {
  construct(target, args, newTarget) {
    if (ArrayBuffer.isView(args[0])) movedBytes += bytesIn(args[0]);
    return Reflect.construct(
      target,
      args,
      newTarget === globalThis.Uint8Array ? target : newTarget,
    );
  },
});

process.on("exit", () => {
  const file = process.env.COPY_METER_FILE;
  if (file === undefined) throw new Error("COPY_METER_FILE says where the sum goes");
  writeFileSync(file, String(movedBytes));
});
