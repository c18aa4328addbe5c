"""Connections over TLS, and connections that do nothing, in a process of their own.

  connections.py handshakes PORT SECONDS   one connection after the other, a request on each; prints how many
  connections.py resumed PORT SECONDS      the same with the ticket of the one before; fails if one was not resumed
  connections.py idle PORT COUNT           opens them, a request on each, prints `open`, holds them until its input ends
  connections.py idle-tls PORT COUNT       the same over TLS
"""

import socket
import ssl
import sys
import time

REQUEST = b"GET /1k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def context():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    return tls


def ask(stream):
    stream.sendall(REQUEST)
    seen = b""
    while len(seen) < 1024 or b"\r\n\r\n" not in seen:
        data = stream.recv(8192)
        if not data:
            raise RuntimeError("closed before the answer")
        seen += data
    if not seen.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(seen.split(b"\r\n")[0].decode())
    return stream


def handshakes(port, seconds, resume):
    tls, session, count, reused = context(), None, 0, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            with tls.wrap_socket(plain, session=session if resume else None) as stream:
                ask(stream)
                count += 1
                reused += stream.session_reused
                session = stream.session
    if resume and reused < count - 1:
        sys.exit(f"only {reused} of {count} were resumed")
    print(count)


def idle(port, count, secure):
    held, tls = [], context()
    for _ in range(count):
        stream = socket.create_connection(("127.0.0.1", port), timeout=10)
        held.append(ask(tls.wrap_socket(stream) if secure else stream))
    print("open", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    verb, port, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if verb.startswith("idle"):
        idle(port, number, verb == "idle-tls")
    else:
        handshakes(port, number, verb == "resumed")
