import { connect, type Socket } from "node:net";

/** A process of its own that calls a server and takes its time: `bun slow-callers.ts PORT COUNT [again]`. It says a line of
 * JSON each half second; with `again` it calls anew whenever it is hung up on. */

const [, , port = "", count = "", again = ""] = process.argv;
const POST = "POST /peers HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";

/** What is said at once, and what each second after. */
const KINDS: readonly (readonly [first: string, then: string])[] = [
  ["", ""],
  ["GET /rea", "d"],
  ["GET /ready HTTP/1.1\r\nhost: x\r\nx-slow: ", "a"],
  ["GET /ready HTTP/1.1\r\nhost: x\r\n", "x-slow: a\r\n"],
  [`${POST}content-length: 4000\r\n\r\n{`, " "],
  [`${POST}transfer-encoding: chunked\r\n\r\n`, "1\r\n \r\n"],
  [`${POST}transfer-encoding: chunked\r\n\r\n1;`, "a"],
  // These ask and do not read.
  ["GET /stats HTTP/1.1\r\nhost: x\r\n\r\n".repeat(20), ""],
];

const said = { opened: 0, closed: 0, bytes: 0 };
const open = new Set<{ readonly socket: Socket; readonly then: string }>();

function call(at: number): void {
  const [first = "", then = ""] = KINDS[at % KINDS.length] ?? [];
  const socket = connect(Number(port), "127.0.0.1");
  const caller = { socket, then };
  const isReader = at % KINDS.length !== KINDS.length - 1;
  const close = (): void => {
    if (!open.delete(caller)) return;
    said.closed++;
    socket.destroy();
    if (again !== "") setTimeout(() => call(at), 50);
  };
  open.add(caller);
  if (isReader) socket.resume();
  else socket.pause();
  socket.on("connect", () => {
    said.opened++;
    say(socket, first);
  });
  for (const event of ["error", "end", "close"] as const) socket.on(event, close);
}

function say(socket: Socket, text: string): void {
  if (text === "" || socket.destroyed) return;
  said.bytes += text.length;
  socket.write(text);
}

for (let at = 0; at < Number(count); at++) call(at);
setInterval(() => {
  for (const { socket, then } of open) say(socket, then);
}, 1000);
setInterval(() => process.stdout.write(`${JSON.stringify(said)}\n`), 500);
