import { connect } from "node:net";

/** Says something to an HTTP server, byte for byte, and reads until the connection ends.
 * @param text asks for the end itself, by `connection: close`, or breaks the rules so that the server ends it
 * @returns all that came back */
export function sayRaw(port: number, text: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    socket.setEncoding("latin1");
    socket.on("connect", () => socket.write(text));
    socket.on("data", (chunk) => {
      answer += String(chunk);
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", (error) => {
      // Whoever is hung up on while he speaks gets a reset: what came before it stands.
      if ("code" in error && error.code === "ECONNRESET") resolve(answer);
      else reject(error);
    });
  });
}

export interface RawRequest {
  readonly path: string;
  readonly body: unknown;
  /** Header lines, as they are. */
  readonly lines?: readonly string[];
}

/** @returns a POST with a JSON body, as it goes over the wire */
export function rawPost({ path, body, lines = [] }: RawRequest): string {
  const text = JSON.stringify(body);
  const head = [
    `POST ${path} HTTP/1.1`,
    "host: tracker.example",
    "connection: close",
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(text)}`,
    ...lines,
  ];
  return `${head.join("\r\n")}\r\n\r\n${text}`;
}

/** @returns the status of an answer, 0 when there is none */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0);
}
