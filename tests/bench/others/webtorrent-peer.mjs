// usage: webtorrent-peer.mjs INSTALLED seed|leech TORRENT DIRECTORY PORT
// Prints READY or COMPLETE when it has the whole file, and goes on until it is ended.
import { readFileSync } from "node:fs";

const [installed, role, torrent, path, port] = process.argv.slice(2);
const { default: WebTorrent } = await import(`${installed}/index.js`);
const client = new WebTorrent({
  dht: false,
  lsd: false,
  utPex: false,
  utp: false,
  natUpnp: false,
  natPmp: false,
  webSeeds: false,
  secure: false,
  maxConns: 500,
  torrentPort: Number(port),
  tracker: { wrtc: false },
  downloadLimit: -1,
  uploadLimit: -1,
});
client.on("error", (error) => {
  process.stderr.write(`${error}\n`);
  process.exit(1);
});
client
  .add(readFileSync(torrent), { path, destroyStoreOnDestroy: false })
  .once("done", () => process.stdout.write(role === "leech" ? "COMPLETE\n" : "READY\n"));
