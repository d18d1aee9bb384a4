"""usage: bare-loop.py seed HOST PORT FILE | bare-loop.py leech HOST PORT FILE sha1|sha256|none"""
import hashlib
import os
import socket
import sys
import threading
import time

CHUNK_BYTES = 1 << 20


def serve(connection, path):
    with open(path, "rb") as source:
        size = os.fstat(source.fileno()).st_size
        offset = 0
        while offset < size:
            offset += os.sendfile(connection.fileno(), source.fileno(), offset, min(size - offset, 4 << 20))
    connection.close()


def fetch(connection, path, hash_name):
    buffer = memoryview(bytearray(CHUNK_BYTES))
    with open(path, "wb", 0) as target:
        while True:
            filled = 0
            while filled < CHUNK_BYTES:
                received = connection.recv_into(buffer[filled:])
                if received == 0:
                    break
                filled += received
            if filled == 0:
                return
            if hash_name != "none":
                hashlib.new(hash_name, buffer[:filled]).digest()
            target.write(buffer[:filled])


role, host, port, path = sys.argv[1:5]
if role == "seed":
    listener = socket.create_server((host, int(port)), backlog=64)
    print("READY", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, path), daemon=True).start()
fetch(socket.create_connection((host, int(port))), path, sys.argv[5])
print("COMPLETE", flush=True)
time.sleep(1000)
