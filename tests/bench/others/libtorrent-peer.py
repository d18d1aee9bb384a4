"""usage: libtorrent-peer.py seed|leech TORRENT DIRECTORY HOST PORT tuned|own any|called

Prints READY or COMPLETE when it has the whole file, and goes on until it is ended. "tuned" is for one fast link, "own" leaves
libtorrent its own settings; with "called" it waits to be called.
"""
import sys

import libtorrent as lt

ALONE = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "out_enc_policy": 2,
    "in_enc_policy": 2,
    "allowed_enc_level": 1,
    "allow_multiple_connections_per_ip": True,
}
TUNED = {
    "smooth_connects": False,
    "connection_speed": 1000,
    "unchoke_slots_limit": -1,
    "aio_threads": 2,
    "hashing_threads": 1,
    "send_buffer_watermark": 10485760,
    "send_buffer_low_watermark": 2097152,
    "send_buffer_watermark_factor": 300,
    "max_out_request_queue": 3000,
    "max_allowed_in_request_queue": 6000,
    "request_queue_time": 3,
    "max_queued_disk_bytes": 67108864,
    "suggest_mode": 0,
}

role, torrent, directory, host, port, manner, calls = sys.argv[1:8]
settings = dict(lt.high_performance_seed()) if manner == "tuned" else {}
settings.update(ALONE)
if manner == "tuned":
    settings.update(TUNED)
settings["listen_interfaces"] = f"{host}:{port}"
settings["outgoing_interfaces"] = host
settings["alert_mask"] = lt.alert.category_t.status_notification | lt.alert.category_t.error_notification
session = lt.session(settings)
if calls == "called":
    # Not even when one downloader tells it of another.
    downloaders = lt.ip_filter()
    downloaders.add_rule("127.0.77.0", "127.0.77.255", 1)
    session.set_ip_filter(downloaders)
handle = session.add_torrent({"ti": lt.torrent_info(torrent), "save_path": directory})
handle.unset_flags(lt.torrent_flags.auto_managed)
handle.resume()
is_told = False
while True:
    session.wait_for_alert(1000)
    for alert in session.pop_alerts():
        if isinstance(alert, lt.torrent_finished_alert) and not is_told:
            is_told = True
            print("COMPLETE" if role == "leech" else "READY", flush=True)
