"""Servers that know what they were asked, and clients that know what they must be answered: each request has an id.

Used by upgrade.py and soak.py. HTTP/1.1, HTTP/2 and WebSockets over asyncio, with and without TLS; nothing but the
standard library.
"""

import asyncio
import base64
import hashlib
import json
import multiprocessing
import os
import random
import struct
import ssl
import time
from collections import Counter

from http2 import Http2, Unprocessed

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Origin(multiprocessing.get_context("spawn").Process):
    """One server in a process of its own, which inherits no connection: answers with its name and the id it was asked with; counts repeats."""

    def __init__(self, name, port):
        super().__init__(daemon=True)
        self.name, self.port = name, port

    def run(self):
        try:
            asyncio.run(self.serve())
        except KeyboardInterrupt:
            pass

    async def serve(self):
        self.posts, self.requests, self.twice = {}, 0, 0
        server = await asyncio.start_server(self.client, "127.0.0.1", self.port, backlog=1024)
        async with server:
            await server.serve_forever()

    async def client(self, reader, writer):
        try:
            while await self.one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def one(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, fields = parse(head)
        if fields.get("upgrade", "").lower() == "websocket":
            accept = base64.b64encode(hashlib.sha1((fields["sec-websocket-key"] + GUID).encode()).digest()).decode()
            writer.write(f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
            await self.echo(reader, writer)
            return False
        body = await read_body(reader, fields)
        if line[1] == "/__stats":
            body = json.dumps({"requests": self.requests, "twice": self.twice, "posts": list(self.posts)}).encode()
        elif line[1] != "/__health":
            self.requests += 1
            asked = fields.get("x-id", "")
            if line[0] == "POST":
                self.twice += asked in self.posts
                self.posts[asked] = True
                if len(self.posts) > 200_000:
                    for old in list(self.posts)[:100_000]:
                        del self.posts[old]
            body = f"{self.name} {asked} {len(body)}".encode()
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        return True

    async def echo(self, reader, writer):
        while True:
            code, data = await read_frame(reader)
            writer.write(frame(code, data, mask=False))
            await writer.drain()
            if code == 8:
                return


async def read_body(reader, fields):
    if fields.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(fields.get("content-length", 0)))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


def parse(head):
    first, *rest = head.split("\r\n")
    fields = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if colon:
            fields[name.lower()] = value.strip()
    return first.split(" ", 2), fields


def frame(code, data, mask=True):
    head = bytes([0x80 | code])
    bit = 0x80 if mask else 0
    if len(data) < 126:
        head += bytes([bit | len(data)])
    else:
        head += bytes([bit | 126]) + struct.pack(">H", len(data))
    if not mask:
        return head + data
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(data))


async def read_frame(reader):
    first, second = await reader.readexactly(2)
    length = second & 127
    if length == 126:
        length = struct.unpack(">H", await reader.readexactly(2))[0]
    key = await reader.readexactly(4) if second & 128 else None
    data = await reader.readexactly(length)
    if key:
        data = bytes(byte ^ key[i % 4] for i, byte in enumerate(data))
    return first & 15, data


class Load:
    """Clients with a rate in all. `failures` counts what must not happen, `explained` what a fault explains."""

    def __init__(self, port, seed, secure=None):
        self.port, self.secure, self.random = port, secure, random.Random(seed)
        self.answered, self.failures, self.explained = 0, Counter(), Counter()
        self.again = 0  # requests that nothing was done with, says the server, and that were sent again
        self.slowest, self.next_id, self.running = 0.0, 0, True
        self.excused_until = 0.0
        self.closes = []  # (moment, code) of each WebSocket

    def excuse(self, seconds):
        """Faults of servers from now on explain answers of 5xx."""
        self.excused_until = max(self.excused_until, time.monotonic() + seconds)

    def fail(self, what, began):
        if began < self.excused_until and what.startswith("5"):
            self.explained[what] += 1
        else:
            self.failures[what] += 1

    async def connect(self, tls):
        """A connection for HTTP/1.1."""
        port, context = (self.secure, trusting("http/1.1")) if tls else (self.port, None)
        return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port, ssl=context), 20)

    async def client(self, rate, keep=1.0, post=0.2, cookie=None, tls=False):
        """One client: `keep` of its requests on the same connection, `post` of them with a body."""
        stream, home = None, None
        due = time.monotonic() + self.random.random() / rate
        while self.running:
            await asyncio.sleep(max(0, due - time.monotonic()))
            due = max(due + 1 / rate, time.monotonic() - 1)
            began = time.monotonic()
            try:
                if stream is None:
                    stream = await self.connect(tls)
                close, server, cookie = await asyncio.wait_for(self.ask(*stream, post, cookie), 30)
                if cookie and home and server != home and began > self.excused_until:
                    self.failures["another server than the cookie says"] += 1
                home = server or home
            except Exception as error:  # noqa: BLE001: whatever it is, it is a failure with a name
                self.fail(f"{type(error).__name__}: {error}"[:80], began)
                close = True
            self.slowest = max(self.slowest, time.monotonic() - began)
            if stream and (close or self.random.random() > keep):
                stream[1].close()
                stream = None
        if stream:
            stream[1].close()

    async def multiplexed(self, rate, streams, keep=0.99, post=0.2):
        """One client of HTTP/2, with so many requests at once, and a new connection now and then."""
        connection, lock = None, asyncio.Lock()

        async def one():
            nonlocal connection
            due = time.monotonic() + self.random.random() * streams / rate
            while self.running:
                await asyncio.sleep(max(0, due - time.monotonic()))
                due = max(due + streams / rate, time.monotonic() - 1)
                began, (asked, body) = time.monotonic(), self.question(post)
                try:
                    while True:
                        async with lock:
                            if connection is None or connection.leaving:
                                context = trusting("h2")
                                connection = await asyncio.wait_for(Http2.connect(self.secure, context), 20)
                        try:
                            method, fields = ("POST" if body else "GET"), [("x-id", asked)]
                            if len(body) == 100:
                                # The others reach the server in chunks.
                                fields.append(("content-length", "100"))
                            mine = connection
                            stream = mine.ask(method, fields, body)
                            status, answer = await asyncio.wait_for(mine.answer(stream), 30)
                            break
                        except Unprocessed:
                            self.again += 1
                    self.check(status, answer, asked, body, began)
                except Exception as error:  # noqa: BLE001: whatever it is, it is a failure with a name
                    self.fail(f"h2 {type(error).__name__}: {error}"[:80], began)
                self.slowest = max(self.slowest, time.monotonic() - began)
                if self.random.random() > keep and connection and not connection.leaving:
                    connection.leave()

        await asyncio.gather(*(one() for _ in range(streams)))
        if connection:
            connection.close()

    def question(self, post):
        """An id that nobody else has, and a body, which `post` of all have."""
        self.next_id += 1
        body = b"x" * self.random.choice((1, 100, 5000)) if self.random.random() < post else b""
        return f"r{self.next_id}", body

    def check(self, status, answer, asked, body, began):
        """Notes an answer; gives back the server."""
        if status != 200:
            return self.fail(f"{status}", began)
        server, echoed, length = answer.decode().split(" ")
        if (echoed, length) != (asked, str(len(body))):
            self.failures["the answer to another request"] += 1
        self.answered += 1
        return server

    async def ask(self, reader, writer, post, cookie):
        asked, body = self.question(post)
        is_post = bool(body)
        head = f"{'POST' if is_post else 'GET'} / HTTP/1.1\r\nHost: app.test\r\nX-Id: {asked}\r\n"
        head += f"Cookie: {cookie}\r\n" if cookie else ""
        head += f"Content-Length: {len(body)}\r\n" if is_post else ""
        began = time.monotonic()
        writer.write(head.encode() + b"\r\n" + body)
        line, fields = parse((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
        answer = await reader.readexactly(int(fields.get("content-length", 0)))
        close = fields.get("connection", "").lower() == "close"
        if "set-cookie" in fields:
            cookie = fields["set-cookie"].split(";")[0]
        status = int(line[1]) if line[1].isdigit() else line[1]
        return close, self.check(status, answer, asked, body, began), cookie

    async def websocket(self, every, tls=False):
        """Opens one, says something now and then, and notes how it ends; then the next."""
        while self.running:
            writer = None
            try:
                reader, writer = await self.connect(tls)
                writer.write(b"GET /ws HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                             b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
                line, _ = parse((await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode("latin-1"))
                if line[1] != "101":
                    self.fail(f"{line[1]} to a WebSocket", time.monotonic())
                    await asyncio.sleep(1)
                    continue
                await self.talk(reader, writer, every)
            except Exception as error:  # noqa: BLE001
                if self.running:
                    self.fail(f"5 WebSocket {type(error).__name__}"[:80], time.monotonic())
                    await asyncio.sleep(1)
            finally:
                if writer:
                    writer.close()

    async def talk(self, reader, writer, every):
        pending = asyncio.ensure_future(read_frame(reader))
        try:
            while self.running:
                done, _ = await asyncio.wait({pending}, timeout=every * (0.5 + self.random.random()))
                if not done:
                    writer.write(frame(1, b"hello"))
                    continue
                code, data = pending.result()
                if code == 8:
                    self.closes.append((time.monotonic(), struct.unpack(">H", data[:2])[0] if data else 1005))
                    writer.write(frame(8, data[:2]))
                    await asyncio.sleep(0)
                    return
                if code == 1 and data != b"hello":
                    self.failures["a message that nobody sent"] += 1
                pending = asyncio.ensure_future(read_frame(reader))
        finally:
            pending.cancel()


CONTEXTS = {}


def trusting(protocol):
    """TLS that takes any certificate: the checks make their own."""
    if protocol not in CONTEXTS:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols([protocol])
        CONTEXTS[protocol] = context
    return CONTEXTS[protocol]


async def fetch(port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: app.test\r\n\r\n".encode())
    _, fields = parse((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
    body = await reader.readexactly(int(fields.get("content-length", 0)))
    writer.close()
    return body
