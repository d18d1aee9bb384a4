import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually, makeTempDirectory, removeDirectory } from "./tracker.ts";

export interface Nginx extends AsyncDisposable {
  /** With its own certificate, for `localhost`. */
  readonly url: string;
  readonly port: number;
  /** The file by which clients trust it. */
  readonly certificate: string;
}

/** Whether this machine has what it takes. */
export function hasNginx(): boolean {
  return Bun.which("nginx", { PATH }) !== null && Bun.which("openssl") !== null;
}

const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
const PORT_TRIES = 5;

/** Runs a real nginx in the foreground with the server of a documented configuration, at a port of its own.
 * @param documented names /etc/ssl/tracker.example.{crt,key}, port 443 and the tracker's 127.0.0.1:5000 */
export async function startNginx(documented: string, trackerPort: number): Promise<Nginx> {
  const directory = await makeTempDirectory();
  const certificate = join(directory, "tls.crt");
  run(
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    ...[
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=localhost",
      "-addext",
      "subjectAltName=DNS:localhost",
    ],
    ...["-keyout", join(directory, "tls.key"), "-out", certificate],
  );
  for (let tried = 1; ; tried++) {
    const port = freePort();
    const server = documented
      .replace("server 127.0.0.1:5000", `server 127.0.0.1:${trackerPort}`)
      .replace("listen 443 ssl", `listen 127.0.0.1:${port} ssl`)
      .replaceAll("/etc/ssl/tracker.example", join(directory, "tls"));
    const config = join(directory, "nginx.conf");
    await writeFile(config, wholeConfig(directory, server));
    const child = Bun.spawn(["nginx", "-p", directory, "-e", "stderr", "-c", config], {
      env: { PATH },
      stdout: "ignore",
      stderr: "pipe",
    });
    const release = async (): Promise<void> => {
      child.kill("SIGTERM");
      await child.exited;
    };
    const isUp = await eventually(
      () => (child.exitCode === null ? canConnect(port) : undefined),
      (state) => state !== false,
    );
    if (isUp === true) {
      return {
        url: `https://localhost:${port}`,
        port,
        certificate,
        [Symbol.asyncDispose]: async () => {
          await release();
          await removeDirectory(directory);
        },
      };
    }
    await release();
    if (tried === PORT_TRIES) {
      await removeDirectory(directory);
      throw new Error(`nginx does not start: ${await new Response(child.stderr).text()}`);
    }
  }
}

function wholeConfig(directory: string, server: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${join(directory, name)};`)
    .join("\n");
  return `daemon off;
master_process off;
pid ${join(directory, "nginx.pid")};
error_log stderr;
events {}
http {
access_log off;
${temporary}
${server}
}
`;
}

async function canConnect(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}

function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

function run(...command: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync([...command], { stdout: "ignore", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${command[0]} ended with ${exitCode}: ${stderr}`);
}
