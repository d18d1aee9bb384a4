import { systemClock, systemRandom } from "../../tracker/clock.ts";
import { openSwarmStore } from "../../tracker/swarm-store/open.ts";
import { announceOf } from "../contract/swarm-store/announces.ts";
import { eventually, linesOf } from "../support/tracker.ts";

/** Opens the databases named by its arguments, each when a line comes in, announces its own port there and prints how many
 * peers it sees when it sees as many as there are such processes. Everything is loaded before, so that they really start at
 * one moment. */

const [port, count, ...urls] = process.argv.slice(2);
process.stdout.write("loaded\n");
const lines = linesOf(Bun.stdin.stream());
for (const url of urls) {
  await lines.next();
  const { signal } = new AbortController();
  await using store = await openSwarmStore(systemClock, systemRandom, {
    url,
    token: undefined,
    signal,
  });
  const now = systemClock.now();
  const look = () => store.announce(announceOf({ create: true, port: Number(port), now }));
  const view = await eventually(look, (seen) => seen?.incomplete === Number(count));
  process.stdout.write(`${view?.incomplete}\n`);
}
