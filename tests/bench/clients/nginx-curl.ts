import { join } from "node:path";
import { addressOf } from "../bittorrent.ts";
import type { Client, Leecher, Scene, Swarm } from "../client.ts";
import { spawn } from "../spawn.ts";

/** What people do without any such program: a web server, curl, and a checksum afterwards. */
export const nginxCurl: Client = {
  name: "nginx + curl + sha256sum",
  settings: "sendfile; curl -o FILE, then sha256sum FILE",
  version: async () => {
    const told = await Bun.$`nginx -v && curl --version`.nothrow().quiet();
    return told.exitCode === 0 ? `${told.stderr.toString().trim()}` : undefined;
  },
  start,
};

async function start(scene: Scene): Promise<Swarm> {
  const { host, port } = addressOf(0);
  const { directory, file } = scene;
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${directory}/${name};`,
  );
  const config = join(directory, "nginx.conf");
  await Bun.write(
    config,
    `worker_processes 1; daemon off; master_process off; user root; pid ${directory}/nginx.pid; error_log stderr notice;
events { worker_connections 256; }
http { access_log off; sendfile on; sendfile_max_chunk 4m; tcp_nopush on; ${paths.join(" ")}
 server { listen ${host}:${port}; location = /file { alias ${file}; } } }
`,
  );
  const seeder = spawn(["nginx", "-p", directory, "-c", config], { watch: "stderr" });
  await seeder.match(/start worker|using the/);
  return {
    seeder,
    startLeecher: (n): Leecher => {
      const target = join(directory, `file${n}`);
      const script = `curl -sf --retry 5 --retry-connrefused -o ${target} http://${host}:${port}/file && sha256sum ${target} >&2 && echo COMPLETE && exec sleep 1000`;
      const started = spawn(["bash", "-c", script]);
      return { ...started, target, done: started.match(/COMPLETE/).then(() => undefined) };
    },
    stop: () => seeder.stop(),
  };
}
