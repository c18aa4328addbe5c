"""WebSockets as the benchmark needs them (RFC 6455), in processes of their own.

  websockets.py serve PORT                       echoes frames until it is ended
  websockets.py echo PORT CONNECTIONS SECONDS    sends 64 bytes and waits for them, on each; prints how many came back
  websockets.py count PORT CONNECTIONS MESSAGES  the same until so many came back
  websockets.py idle PORT CONNECTIONS            opens them, prints `open`, and holds them until its input ends
"""

import asyncio
import base64
import hashlib
import sys

MESSAGE = b"x" * 64
# One text frame, masked with zeros: what a client sends is what a server echoes, mask and all.
FRAME = b"\x81" + bytes([0x80 | len(MESSAGE)]) + b"\0\0\0\0" + MESSAGE
ECHO = b"\x81" + bytes([len(MESSAGE)]) + MESSAGE
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


class Server(asyncio.Protocol):
    """Answers the handshake, then each whole frame."""

    def connection_made(self, transport):
        self.transport, self.seen, self.upgraded = transport, b"", False

    def data_received(self, data):
        self.seen += data
        if not self.upgraded:
            end = self.seen.find(b"\r\n\r\n")
            if end < 0:
                return
            head, self.seen, self.upgraded = self.seen[:end], self.seen[end + 4 :], True
            key = next(
                (line.split(b":", 1)[1].strip() for line in head.split(b"\r\n")
                 if line.lower().startswith(b"sec-websocket-key:")), None)
            if key is None:
                # A plain request: what looks whether the proxy serves.
                self.transport.write(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
                self.transport.close()
                return
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        whole = len(self.seen) // len(FRAME)
        if whole:
            self.seen = self.seen[whole * len(FRAME) :]
            self.transport.write(ECHO * whole)


class Client(asyncio.Protocol):
    """Opens a WebSocket; once `ping` is set, keeps one message on its way."""

    def __init__(self, port, ping):
        self.port, self.ping, self.count, self.seen = port, ping, 0, b""
        self.open = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n")

    def data_received(self, data):
        self.seen += data
        if not self.open.done():
            end = self.seen.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self.seen.startswith(b"HTTP/1.1 101"):
                self.open.set_exception(RuntimeError(self.seen[:end].decode("latin-1")))
                return
            self.seen = self.seen[end + 4 :]
            self.open.set_result(None)
            if self.ping:
                self.transport.write(FRAME)
            return
        if len(self.seen) >= len(ECHO):
            self.seen = self.seen[len(ECHO) :]
            self.count += 1
            self.transport.write(FRAME)

    def connection_lost(self, error):
        if not self.open.done():
            self.open.set_exception(RuntimeError(f"closed: {error}"))


async def connect(port, count, ping):
    loop, clients = asyncio.get_running_loop(), []
    for start in range(0, count, 100):
        batch = [
            (await loop.create_connection(lambda: Client(port, ping), "127.0.0.1", port))[1]
            for _ in range(start, min(start + 100, count))
        ]
        await asyncio.wait_for(asyncio.gather(*(client.open for client in batch)), 20)
        clients += batch
    return clients


async def serve(port):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


async def echo(port, count, seconds):
    clients = await connect(port, count, True)
    before = sum(client.count for client in clients)
    await asyncio.sleep(seconds)
    print(sum(client.count for client in clients) - before)


async def count(port, clients, messages):
    opened = await connect(port, clients, True)
    while (done := sum(client.count for client in opened)) < messages:
        await asyncio.sleep(0.01)
    print(done)


async def idle(port, count):
    held = await connect(port, count, False)
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    return held


if __name__ == "__main__":
    verb, port, *rest = sys.argv[1:]
    asyncio.run({"serve": serve, "echo": echo, "count": count, "idle": idle}[verb](int(port), *(int(word) for word in rest)))
