import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { AnnounceEvent } from "../protocol/announce.ts";
import type { Totals } from "./swarm-store/store.ts";
import type { Answered, Commit, Meter } from "./watch.ts";

/** What the process uses, read when somebody asks. */
export interface ProcessUse {
  readonly memoryBytes: number;
  readonly cpuSeconds: number;
}

export interface MetricsOptions {
  /** As in package.json. */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly processUse: () => ProcessUse;
}

/** From half a millisecond, a good answer, to a peer's patience. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const GROUP_SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"] as const;

/** The tracker's figures for Prometheus: sums and totals, nothing that names a swarm or a peer, so that they may be public.
 * Labels come from short fixed lists, so nobody outside can make more series. */
export class Metrics implements Meter {
  /** Of the answer that `expose` gives. */
  readonly contentType: string;
  readonly #registry = new Registry();
  readonly #seconds: Histogram<"route">;
  readonly #refusals: Counter<"code">;
  readonly #commitSeconds: Histogram;
  readonly #commitAnnounces: Histogram;
  readonly #commitFailures: Counter;
  readonly #waiting: Gauge;
  readonly #swarms: Gauge;
  readonly #peers: Gauge<"state">;
  // What happens with each request is kept as plain numbers until somebody asks: a tenth of the library's price.
  readonly #requestSums = new Map<string, Float64Array>();
  readonly #announceSums = new Map<string, number>();
  #underWay = 0;

  constructor(options: MetricsOptions) {
    const make = this.#makers();
    this.#describeSums();
    this.#seconds = new Histogram({
      name: "tracker_http_request_duration_seconds",
      help: "Time from a request's head to its answer.",
      labelNames: ["route"],
      buckets: SECONDS,
      registers: [this.#registry],
    });
    this.#refusals = make.counter("tracker_refusals_total", "Requests refused, by code.", ["code"]);
    this.#commitSeconds = make.histogram(
      "tracker_commit_duration_seconds",
      "Time the database took for a group of announces.",
      SECONDS,
    );
    this.#commitAnnounces = make.histogram(
      "tracker_commit_announces",
      "Announces that went down as one group.",
      GROUP_SIZES,
    );
    this.#commitFailures = make.counter("tracker_commit_failures_total", "Groups refused.", []);
    this.#waiting = make.gauge(
      "tracker_waiting_announces",
      "Announces that waited for their turn when the last group was committed.",
    );
    this.#swarms = make.gauge("tracker_swarms", "Living swarms.");
    this.#peers = make.gauge("tracker_peers", "Living peers, by whether they have it all.", [
      "state",
    ]);
    this.#describeProcess(options);
    this.contentType = this.#registry.contentType;
  }

  began(): void {
    this.#underWay++;
  }

  answered({ route, status, ms }: Answered): void {
    this.#underWay--;
    let sums = this.#requestSums.get(route);
    if (sums === undefined) {
      sums = new Float64Array(CLASSES.length);
      this.#requestSums.set(route, sums);
    }
    const at = Math.min(Math.floor(status / 100), CLASSES.length) - 1;
    sums[at] = (sums[at] ?? 0) + 1;
    this.#seconds.observe({ route }, ms / 1000);
  }

  refused(code: string): void {
    this.#refusals.inc({ code });
  }

  announced(event: AnnounceEvent | undefined): void {
    const key = event ?? "none";
    this.#announceSums.set(key, (this.#announceSums.get(key) ?? 0) + 1);
  }

  committed({ ms, announces, waiting, succeeded }: Commit): void {
    this.#commitSeconds.observe(ms / 1000);
    this.#commitAnnounces.observe(announces);
    this.#waiting.set(waiting);
    if (!succeeded) this.#commitFailures.inc();
  }

  /** @returns all figures in Prometheus' text format, version 0.0.4 */
  expose({ swarms, complete, incomplete }: Totals): Promise<string> {
    this.#swarms.set(swarms);
    this.#peers.set({ state: "complete" }, complete);
    this.#peers.set({ state: "incomplete" }, incomplete);
    return this.#registry.metrics();
  }

  #makers() {
    const registers = [this.#registry];
    return {
      counter: <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
        new Counter({ name, help, labelNames, registers }),
      gauge: <Label extends string>(
        name: string,
        help: string,
        labelNames: readonly Label[] = [],
      ) => new Gauge({ name, help, labelNames, registers }),
      histogram: (name: string, help: string, buckets: number[]) =>
        new Histogram({ name, help, buckets, registers }),
    };
  }

  #describeSums(): void {
    const registers = [this.#registry];
    const [requests, announces] = [this.#requestSums, this.#announceSums];
    const underWay = (): number => this.#underWay;
    new Counter({
      name: "tracker_http_requests_total",
      help: "Requests answered.",
      labelNames: ["route", "status"],
      registers,
      collect() {
        this.reset();
        for (const [route, sums] of requests) {
          for (const [at, status] of CLASSES.entries()) {
            const sum = sums[at] ?? 0;
            if (sum > 0) this.inc({ route, status }, sum);
          }
        }
      },
    });
    new Counter({
      name: "tracker_announces_total",
      help: "Announces taken in, by event.",
      labelNames: ["event"],
      registers,
      collect() {
        this.reset();
        for (const [event, sum] of announces) this.inc({ event }, sum);
      },
    });
    new Gauge({
      name: "tracker_http_requests_in_flight",
      help: "Requests not answered yet.",
      registers,
      collect() {
        this.set(underWay());
      },
    });
  }

  /** Under the names that dashboards know. The library could do this too, with timers and observers of its own. */
  #describeProcess({ version, startedAt, processUse }: MetricsOptions): void {
    const registers = [this.#registry];
    new Gauge({
      name: "process_resident_memory_bytes",
      help: "Memory that the process holds.",
      registers,
      collect() {
        this.set(processUse().memoryBytes);
      },
    });
    new Counter({
      name: "process_cpu_seconds_total",
      help: "Processor time, user and system.",
      registers,
      collect() {
        this.reset();
        this.inc(processUse().cpuSeconds);
      },
    });
    new Gauge({
      name: "process_start_time_seconds",
      help: "When the process started, in seconds since 1970.",
      registers,
    }).set(startedAt / 1000);
    new Gauge({
      name: "tracker_build_info",
      help: "Always 1; the version is its label.",
      labelNames: ["version"],
      registers,
    }).set({ version }, 1);
  }
}
