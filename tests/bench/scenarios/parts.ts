import { createPeerClient, PLAIN, TLS } from "../clients/peer.ts";
import { randomFile } from "../files.ts";
import { MEASURED_HEAD, type Measured, measure, toCells } from "../measure.ts";
import { type BenchOptions, KIB, MIB, roundsOf, sizesOf } from "../options.ts";
import { median, print, printTable } from "../table.ts";

/** What small parts cost: the same bytes in parts of other sizes. */

interface Setup {
  readonly mib: number;
  readonly partBytes: number;
  readonly transport: readonly string[];
}

const SMALLEST_PART_BYTES = 256;

export async function benchParts(options: BenchOptions): Promise<void> {
  const rounds = roundsOf(options, 5);
  const [mib = 64] = sizesOf(options, { quick: [16], full: [64] });
  await compareSmallest(mib, rounds);
  const [countedMib = 1024] = sizesOf(options, { quick: [64], full: [1024] });
  await countParts(countedMib, options);
}

async function compareSmallest(mib: number, rounds: number): Promise<void> {
  const setups = [PLAIN, TLS].flatMap((transport) =>
    [MIB, SMALLEST_PART_BYTES].map((partBytes) => ({ mib, partBytes, transport })),
  );
  const results = await measureInTurn(setups, rounds);
  printTable(
    `${mib} MiB in parts of 1 MiB and of 256 bytes, 1 -> 1, medians of ${rounds}`,
    ["transport", "bytes a part", ...MEASURED_HEAD],
    toRows(results, ({ partBytes, transport }) => [transport[1] ?? "", String(partBytes)]),
  );
  for (const transport of [PLAIN, TLS]) {
    const rate = (partBytes: number) =>
      median(
        [...results]
          .filter(([one]) => one.transport === transport && one.partBytes === partBytes)
          .flatMap(([, measured]) => measured.map((each) => each.mibPerSecond)),
      );
    const ratio = rate(SMALLEST_PART_BYTES) / rate(MIB);
    print(
      `\n${transport[1]}: parts of 256 bytes reach ${ratio.toFixed(2)} of the rate of 1 MiB parts`,
    );
  }
}

/** From a thousand parts to a million at 1 GiB. */
async function countParts(mib: number, options: BenchOptions): Promise<void> {
  const rounds = roundsOf(options, 3);
  const sizesKib = options.isQuick ? [1024, 16, 1] : [1024, 256, 64, 16, 4, 1];
  const setups = sizesKib.map((kib) => ({ mib, partBytes: kib * KIB, transport: PLAIN }));
  printTable(
    `${mib} MiB in ever more parts, 1 -> 1, plain, medians of ${rounds}`,
    ["parts", "KiB a part", "hash", ...MEASURED_HEAD],
    toRows(await measureInTurn(setups, rounds), (one) => [
      String((one.mib * MIB) / one.partBytes),
      String(one.partBytes / KIB),
      hashFor(one),
    ]),
  );
}

async function measureInTurn(
  setups: readonly Setup[],
  rounds: number,
): Promise<ReadonlyMap<Setup, readonly Measured[]>> {
  const results = new Map<Setup, Measured[]>(setups.map((setup) => [setup, []]));
  for (let round = 0; round < rounds; round++) {
    for (const setup of setups) {
      const { mib, partBytes, transport } = setup;
      const client = createPeerClient("peer", {
        flags: transport,
        uploadFlags: ["--hash", hashFor(setup)],
      });
      const file = { file: await randomFile(mib), fileBytes: mib * MIB, partBytes };
      results.get(setup)?.push(await measure(client, file, 1));
    }
  }
  return results;
}

function toRows(
  results: ReadonlyMap<Setup, readonly Measured[]>,
  name: (setup: Setup) => readonly string[],
): readonly (readonly string[])[] {
  return [...results].map(([setup, measured]) => [...name(setup), ...toCells(measured)]);
}

/** A torrent of a million SHA-256 digests is above the largest that is read, one of SHA-1 is not. */
function hashFor({ mib, partBytes }: Setup): string {
  return (mib * MIB) / partBytes > SHA256_PARTS_MAX ? "sha1" : "sha256";
}

const SHA256_PARTS_MAX = 900_000;
