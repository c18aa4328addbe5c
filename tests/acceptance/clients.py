"""Clients: browsers with a cookie jar, a bounded load of idempotent requests, WebSockets, and a crowd of all that."""

import base64
import collections
import hashlib
import http.client
import os
import random
import socket
import struct
import threading
import time


class Visitor:
    """A client with a cookie jar and one kept connection."""

    def __init__(self, port, timeout=60):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        self.cookies = {}

    def get(self, path):
        """The status and the text of the answer."""
        fields = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())} if self.cookies else {}
        self.connection.request("GET", path, headers=fields)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        for field in answer.msg.get_all("Set-Cookie") or []:
            name, _, value = field.split(";")[0].partition("=")
            if "max-age=0" in field.lower().replace(" ", ""):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        self.answer = answer
        return answer.status, text.strip()

    def count(self):
        """Visits the counter: (status, node, count)."""
        status, text = self.get("/counter.jsp")
        node, _, count = text.partition(" ")
        return status, node, int(count) if status == 200 else 0

    def close(self):
        self.connection.close()


def first_visit(port):
    """A new client's first request: (status, node)."""
    visitor = Visitor(port)
    try:
        status, node, _ = visitor.count()
        return status, node
    finally:
        visitor.close()


class Load:
    """Idempotent requests on kept connections until `stop`, or until `seconds` have passed."""

    def __init__(self, port, threads, seconds):
        self.port = port
        self.end = time.monotonic() + seconds
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.requests = 0
        self.nodes = collections.Counter()
        self.failures = []
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def work(self):
        visitor = Visitor(self.port)
        while not self.stopping.is_set() and time.monotonic() < self.end:
            started = time.monotonic()
            try:
                status, text = visitor.get("/plain.jsp")
                # Each request may go anywhere: this load has no session.
                visitor.cookies.clear()
                problem = None if status == 200 and text in ("one", "two") else f"{status} {text[:80]!r}"
            except (OSError, http.client.HTTPException) as error:
                problem = repr(error)
                visitor.close()
            with self.lock:
                self.requests += 1
                if not problem:
                    self.nodes[text] += 1
                else:
                    after = int((time.monotonic() - started) * 1000)
                    self.failures.append(f"{problem} after {after} ms")
        visitor.close()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class Closed(ConnectionError):
    """The WebSocket was closed in order."""

    def __init__(self, data):
        self.code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else None
        super().__init__(f"the WebSocket was closed with {data!r}")


class WebSocket:
    """A plain RFC 6455 client: short text frames, no extensions."""

    def __init__(self, port, path, timeout=60, cookies=None):
        self.stream = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        cookie = "".join(f"Cookie: {name}={value}\r\n" for name, value in (cookies or {}).items())
        self.stream.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{cookie}\r\n".encode()
        )
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        if not head.startswith(b"HTTP/1.1 101") or accept not in head:
            raise ConnectionError(f"no upgrade: {head[:200]!r}")

    def fill(self):
        more = self.stream.recv(65536)
        if not more:
            raise ConnectionError("the WebSocket was cut")
        self.buffer += more

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def send(self, opcode, data):
        mask = os.urandom(4)
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        self.stream.sendall(struct.pack("!BB", 0x80 | opcode, 0x80 | len(data)) + mask + masked)

    def read_text(self):
        while True:
            first, length = struct.unpack("!BB", self.take(2))
            if length == 126:
                (length,) = struct.unpack("!H", self.take(2))
            data = self.take(length)
            opcode = first & 0x0F
            if opcode == 1:
                return data.decode()
            if opcode == 8:
                raise Closed(data)
            if opcode == 9:
                self.send(10, data)

    def echo(self, text):
        """Sends a text and says whether the same came back."""
        self.send(1, text.encode())
        return self.read_text() == text

    def close(self):
        try:
            self.send(8, struct.pack("!H", 1000))
        except OSError:
            pass
        self.stream.close()


class Crowd:
    """Clients that come, stay for a session of some seconds, and come anew; each keeps a WebSocket as well."""

    def __init__(self, port, path, clients, session):
        self.port = port
        self.path = path
        self.session = session
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.requests = self.sessions = 0
        # By node: sessions that are there now, and when each began.
        self.present = collections.defaultdict(set)
        # When sessions began: (time, node).
        self.begun = []
        self.errors, self.lost, self.dropped = [], [], []
        # When a WebSocket was closed in order: (time, code).
        self.closes = []
        self.threads = [threading.Thread(target=self.work, args=(n,), daemon=True) for n in range(clients)]
        self.threads += [threading.Thread(target=self.talk, daemon=True) for _ in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def count_on(self, node):
        """Sessions on a node."""
        with self.lock:
            return len(self.present[node])

    def work(self, number):
        chance = random.Random(number)
        while not self.stopping.is_set():
            try:
                self.visit(chance.uniform(0.3, 1.0) * self.session)
            except (OSError, http.client.HTTPException) as error:
                with self.lock:
                    self.errors.append(repr(error))

    def visit(self, seconds):
        """One session: a counter that goes up by one with each request, on one node."""
        visitor, began, expected, home = Visitor(self.port), time.monotonic(), 1, None
        try:
            while time.monotonic() - began < seconds and not self.stopping.is_set():
                status, node, count = visitor.count()
                with self.lock:
                    self.requests += 1
                    if status != 200:
                        self.errors.append(f"status {status}")
                        return
                    if home is None:
                        home = node
                        self.sessions += 1
                        self.present[home].add(began)
                        self.begun.append((began, home))
                    if (node, count) != (home, expected):
                        self.lost.append(f"was on {home} at {expected - 1}, then {node} {count}")
                        return
                expected += 1
                self.stopping.wait(0.05)
        finally:
            visitor.close()
            with self.lock:
                self.present[home].discard(began)

    def talk(self):
        """A WebSocket that says something now and then, and is opened again when it was closed in order."""
        while not self.stopping.is_set():
            socket = None
            try:
                visitor = Visitor(self.port)
                visitor.count()
                visitor.close()
                socket = WebSocket(self.port, self.path, cookies={"NODE": visitor.cookies.get("NODE", "")})
                while not self.stopping.is_set():
                    if not socket.echo("still there"):
                        raise ConnectionError("it echoed something else")
                    self.stopping.wait(0.1)
            except Closed as closed:
                with self.lock:
                    self.closes.append((time.monotonic(), closed.code))
            except (OSError, http.client.HTTPException) as error:
                with self.lock:
                    self.dropped.append(repr(error))
            finally:
                if socket:
                    socket.close()
