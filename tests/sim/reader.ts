import type { PartRun } from "../../protocol/geometry.ts";

/** What a reader needs of the peer whose pipe he reads. */
export interface ReaderPort {
  after(ms: number, happen: () => void): void;
  /** He took the run: its memory is free. */
  taken(run: PartRun): void;
}

/** Who reads a simulated pipe: takes runs in their order, at his own speed, and stops when he likes. */
export class Reader {
  /** Runs that arrived and that he has not taken; and the most there ever were. */
  readonly waiting: PartRun[] = [];
  waitingMax = 0;
  /** The first part that he has not taken. */
  next = 0;
  /** He takes nothing until this moment. */
  isAsleep = false;
  readonly #bytesOf: (run: PartRun) => number;
  readonly #bytesPerSecond: number;
  #isReading = false;

  constructor(bytesPerSecond: number, bytesOf: (run: PartRun) => number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#bytesOf = bytesOf;
  }

  give(run: PartRun, port: ReaderPort): void {
    this.waiting.push(run);
    this.waiting.sort((left, right) => left.first - right.first);
    this.waitingMax = Math.max(this.waitingMax, this.waiting.length);
    this.read(port);
  }

  read(port: ReaderPort): void {
    const [run] = this.waiting;
    if (this.#isReading || this.isAsleep || run === undefined || run.first > this.next) return;
    this.#isReading = true;
    port.after((this.#bytesOf(run) * 1000) / this.#bytesPerSecond, () => {
      this.#isReading = false;
      this.waiting.splice(this.waiting.indexOf(run), 1);
      this.next = Math.max(this.next, run.first + run.count);
      port.taken(run);
      this.read(port);
    });
  }
}
