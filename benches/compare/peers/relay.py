"""The least that a proxy can do: `lbd-relay` passes on what it reads and understands nothing of it."""

import socket

from .proxy import Proxy


class Relay(Proxy):
    """What `Setup.floor` says: requests, closing, bodies or sockets."""

    def command(self):
        servers = self.origins.websocket if self.setup.floor == "sockets" else self.origins.http
        if self.setup.floor in ("bodies", "sockets"):
            return [self.binary, "streams", self.plain, servers]
        return [self.binary, self.setup.floor, self.plain, servers, self.setup.servers]

    def serves(self):
        try:
            socket.create_connection(("127.0.0.1", self.plain), 5).close()
        except OSError:
            return False
        return True
