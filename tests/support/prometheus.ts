/** One series of a text that Prometheus can read. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;
const HISTOGRAM_PARTS = /_(bucket|sum|count)$/;

/** Reads the text format, version 0.0.4, and refuses what a server would refuse: a line of another form, a series without
 * its type before it, a series that comes twice, buckets that fall or do not end at the count. */
export function parsePrometheus(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith("\n")) throw new Error("The last line has no end");
  const families = new Map<string, OpenFamily>();
  const seen = new Set<string>();
  for (const line of text.split("\n")) {
    if (line === "" || readComment(line, families)) continue;
    const sample = parseSample(line);
    const family = families.get(sample.name) ?? families.get(familyOf(sample.name));
    if (family === undefined || family.type === "") throw new Error(`No type before: ${line}`);
    const key = line.slice(0, line.lastIndexOf(" "));
    if (seen.has(key)) throw new Error(`Twice: ${line}`);
    seen.add(key);
    family.samples.push(sample);
  }
  for (const [name, family] of families) checkFamily(name, family);
  return families;
}

interface OpenFamily {
  type: string;
  help: string;
  readonly samples: Sample[];
}

/** @returns whether the line is one */
function readComment(line: string, families: Map<string, OpenFamily>): boolean {
  const [, kind, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
  if (kind === undefined) return false;
  const family = families.get(name) ?? { type: "", help: "", samples: [] };
  if (kind === "HELP") family.help = rest;
  else family.type = rest;
  families.set(name, family);
  return true;
}

/** @returns the value of the one series with these labels, or undefined */
export function valueIn(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const family = families.get(name) ?? families.get(familyOf(name));
  const wanted = Object.entries(labels);
  const found = family?.samples.filter(
    (sample) =>
      sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
  );
  if ((found?.length ?? 0) > 1) throw new Error(`${name} has more than one such series`);
  return found?.[0]?.value;
}

function familyOf(name: string): string {
  return name.replace(HISTOGRAM_PARTS, "");
}

function parseSample(line: string): Sample {
  const [, name, inner = "", digits = ""] = SAMPLE.exec(line) ?? [];
  const value = digits === "+Inf" ? Number.POSITIVE_INFINITY : Number(digits);
  if (name === undefined || Number.isNaN(value)) throw new Error(`Unreadable: ${line}`);
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < inner.length) {
    const [, label, text] = LABEL.exec(inner) ?? [];
    if (label === undefined || text === undefined) throw new Error(`Unreadable labels: ${line}`);
    labels[label] = text;
  }
  return { name, labels, value };
}

function checkFamily(name: string, { type, help, samples }: Family): void {
  if (!/^(counter|gauge|histogram)$/.test(type)) throw new Error(`${name} has the type "${type}"`);
  if (help.trim() === "") throw new Error(`${name} has no help`);
  if (type === "counter" && !name.endsWith("_total")) throw new Error(`${name} is no _total`);
  if (type === "histogram") checkBuckets(name, samples);
}

function checkBuckets(name: string, samples: readonly Sample[]): void {
  const series = new Map<string, number>();
  for (const { name: part, labels: all, value } of samples) {
    const { le, ...labels } = all;
    const key = JSON.stringify(labels);
    const before = series.get(key) ?? 0;
    if (part === `${name}_bucket`) {
      if (value < before) throw new Error(`${name}: bucket ${le} falls`);
      series.set(key, value);
    }
    if (part === `${name}_count` && value !== before) throw new Error(`${name}: wrong count`);
  }
}
