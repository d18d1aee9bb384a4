import { toExit } from "../../../peer/cli/exit-codes.ts";
import { Output } from "../../../peer/cli/output.ts";

/** Started by output.test.ts: writes as many lines as its argument says, and exits as soon as they are flushed. */
const output = new Output(process.stdout, () => {});
const count = Number(process.argv[2]);
for (let at = 0; at < count; at++) output.line(`line ${at}`);
try {
  await output.flush();
  process.exit(0);
} catch (error) {
  process.exit(toExit(error).exitCode);
}
