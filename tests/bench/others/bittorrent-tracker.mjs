// usage: bittorrent-tracker.mjs INSTALLED
// Serves HTTP announces on 127.0.0.1, prints READY and its port, and goes on until it is ended. The package's own command loads
// its WebRTC client too, which needs an addon that is not built.
const { default: Server } = await import(`${process.argv[2]}/server.js`);
const server = new Server({ http: true, udp: false, ws: false, stats: false });
server.on("error", (error) => {
  process.stderr.write(`${error}\n`);
  process.exit(1);
});
server.listen(0, { http: "127.0.0.1" }, () => {
  process.stdout.write(`READY ${server.http.address().port}\n`);
});
