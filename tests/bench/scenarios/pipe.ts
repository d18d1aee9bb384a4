import { createPeerClient, type Into, PLAIN, TLS } from "../clients/peer.ts";
import { randomFile } from "../files.ts";
import { MEASURED_HEAD, type Measured, measure, toCells } from "../measure.ts";
import { type BenchOptions, KIB, MIB, roundsOf, sizesOf } from "../options.ts";
import { printTable } from "../table.ts";

/** What `download -` costs beside a download into a file: the same bytes, in order. */

interface Setup {
  readonly into: Into;
  readonly transport: readonly string[];
  readonly order?: string;
}

const SETUPS: readonly Setup[] = [PLAIN, TLS].flatMap((transport) => [
  { into: "file", transport },
  { into: "file", transport, order: "sequential" },
  { into: "redirected", transport },
  { into: "pipe", transport },
]);

const WHAT: Readonly<Record<Into, string>> = {
  file: "FILE",
  redirected: "- > file",
  pipe: "- \\| cat > file",
};

export async function benchPipe(options: BenchOptions): Promise<void> {
  const rounds = roundsOf(options, 5);
  const { partBytes = MIB } = options;
  for (const mib of sizesOf(options, { quick: [128], full: [1024] })) {
    const file = { file: await randomFile(mib), fileBytes: mib * MIB, partBytes };
    const results = new Map<Setup, Measured[]>(SETUPS.map((setup) => [setup, []]));
    for (let round = 0; round < rounds; round++)
      for (const setup of SETUPS) results.get(setup)?.push(await measure(clientOf(setup), file, 1));
    printTable(
      `${mib} MiB into a file and into a pipe, 1 -> 1, parts of ${partBytes / KIB} KiB, medians of ${rounds}`,
      ["transport", "download", ...MEASURED_HEAD],
      [...results].map(([setup, measured]) => [
        setup.transport[1] ?? "",
        `${WHAT[setup.into]}${setup.order === undefined ? "" : `, ${setup.order}`}`,
        ...toCells(measured),
      ]),
    );
  }
}

function clientOf({ into, transport, order }: Setup) {
  const orderFlags = order === undefined ? [] : ["--order", order];
  return createPeerClient("peer", { flags: transport, into, downloadFlags: orderFlags });
}
