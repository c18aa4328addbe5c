"""A client of HTTP/2 over asyncio: many requests at once on one connection; nothing but the standard library.

Only what the checks need: small bodies, answers of which the status and the body are read. Of an answer's fields the
status alone is decoded: the client allows no table, so that 200 is always the same byte.
"""

import asyncio
import struct

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REFUSED = 7


class Unprocessed(Exception):
    """Nothing was done with the request, says the server: it may be sent again (RFC 9113, section 8.7)."""


class Http2:
    """One connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.next_id, self.waiting = 1, {}
        self.leaving = False
        # No table of fields, and windows that the small answers of a check never fill.
        settings = struct.pack(">HIHI", 1, 0, 4, (1 << 31) - 1)
        writer.write(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(8, 0, 0, struct.pack(">I", 1 << 30)))
        self.task = asyncio.ensure_future(self.read())

    @classmethod
    async def connect(cls, port, context):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        if context and writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            raise ConnectionError("HTTP/2 was not agreed upon")
        return cls(reader, writer)

    def ask(self, method, fields, body):
        """Sends a request, at once: from now on it is waited for. `answer` takes what this gives."""
        stream, self.next_id = self.next_id, self.next_id + 2
        self.waiting[stream] = Answer()
        block = b"".join(literal(name, value) for name, value in [
            (":method", method), (":scheme", "https"), (":path", "/"), (":authority", "app.test"), *fields])
        end = 0 if body else END_STREAM
        self.writer.write(frame(HEADERS, END_HEADERS | end, stream, block)
                          + (frame(DATA, END_STREAM, stream, body) if body else b""))
        return stream

    async def answer(self, stream):
        """The status and the body. Another status than 200 is taken from the body: lbd's own answers begin with it."""
        try:
            status, body = await self.waiting[stream].whole
            return status or body[:3].decode("latin-1") or "an empty answer", body
        finally:
            self.waiting.pop(stream, None)
            if self.leaving and not self.waiting:
                self.close()

    def leave(self):
        """No further request; those under way are awaited."""
        self.leaving = True
        if not self.waiting:
            self.close()

    def close(self):
        self.leaving = True
        self.task.cancel()
        self.writer.close()

    async def read(self):
        error = ConnectionError("HTTP/2 connection closed")
        try:
            while True:
                head = await self.reader.readexactly(9)
                length = int.from_bytes(head[:3], "big")
                self.take(head[3], head[4], int.from_bytes(head[5:], "big"), await self.reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError, OSError) as ended:
            error = ConnectionError(f"HTTP/2 {type(ended).__name__}")
        finally:
            self.leaving = True
            for answer in list(self.waiting.values()):
                answer.fail(error)

    def take(self, kind, flags, stream, payload):
        answer = self.waiting.get(stream)
        if kind == SETTINGS and not flags & ACK:
            self.writer.write(frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            self.writer.write(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self.leaving = True
            last = int.from_bytes(payload[:4], "big")
            for late, one in list(self.waiting.items()):
                if late > last:
                    one.fail(Unprocessed())
        elif kind == RESET and answer:
            code = int.from_bytes(payload, "big")
            answer.fail(Unprocessed() if code == REFUSED else ConnectionError(f"stream reset with {code}"))
        elif kind == HEADERS and answer and answer.status is None:
            # Behind an update of the table's size, 200 is one byte.
            answer.status = 200 if payload.lstrip(b"\x20")[:1] == b"\x88" else None
        elif kind == DATA and answer:
            answer.body += payload
        if kind in (DATA, HEADERS) and flags & END_STREAM and answer and not answer.whole.done():
            answer.whole.set_result((answer.status, bytes(answer.body)))


class Answer:
    def __init__(self):
        self.status, self.body = None, bytearray()
        self.whole = asyncio.get_running_loop().create_future()

    def fail(self, error):
        if not self.whole.done():
            self.whole.set_exception(error)


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name, value):
    """A field that enters no table; its texts are short."""
    name, value = name.encode(), value.encode()
    if max(len(name), len(value)) >= 127:
        raise ValueError("a longer text needs more than one byte for its length")
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value
