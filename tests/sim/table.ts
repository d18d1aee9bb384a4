import { say } from "./seeds.ts";
import { type Outcome, STORIES, type Story, THOUSAND } from "./stories.ts";

/** Prints how near the engine comes to the best time that is possible, with everything and with a mechanism switched off:
 * `bun run sim [SEEDS] [thousand]`. Virtual time: the figures are the same on every machine. */

const [seedsText = "5", what] = process.argv.slice(2);
const SEEDS = Number(seedsText);
if (!Number.isInteger(SEEDS) || SEEDS < 1) {
  process.stderr.write("ERROR Cannot play: SEEDS is not a whole number from 1 on\n");
  process.exit(2);
}

function play(story: Story, change?: Parameters<Story["play"]>[1]): readonly Outcome[] {
  return Array.from({ length: SEEDS }, (_, at) => story.play(1 + at, change));
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0;
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

say(
  "| swarm | seeds | bound | reached | times the bound: median, worst | copies sent by the source | without |",
);
say("| --- | --- | --- | --- | --- | --- | --- |");
for (const story of what === "thousand" ? [THOUSAND] : STORIES) {
  const outcomes = play(story);
  const ratios = outcomes.map(({ boundMs, reachedMs }) => reachedMs / boundMs);
  const reached = median(outcomes.map(({ reachedMs }) => reachedMs));
  const without = story.controls.map((control) => {
    const times = play(story, control.change).map(({ reachedMs }) => reachedMs);
    return `${control.without}: ${seconds(median(times))}`;
  });
  const cells = [
    story.name,
    SEEDS,
    seconds(median(outcomes.map(({ boundMs }) => boundMs))),
    seconds(reached),
    `${median(ratios).toFixed(2)}, ${Math.max(...ratios).toFixed(2)} (limit ${story.limit})`,
    median(outcomes.map(({ sourceCopies }) => sourceCopies)).toFixed(2),
    without.join("; "),
  ];
  say(`| ${cells.join(" | ")} |`);
}
