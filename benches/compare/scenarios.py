"""What is compared, and what is aimed at: processor time as a ratio to HAProxy's in the same round."""

from dataclasses import dataclass

import loads
from loads import BROWSER, h2load, own, plain, secure, sessions, sticky, wrk
from peers import Setup

ENTRIES = 1_000_000
# As good as none, while each request is still for another client.
FEW_ENTRIES = 1_000


@dataclass
class Scenario:
    name: str
    what: str
    unit: str
    load: object
    # At most this ratio to HAProxy; None where there is nothing to compare with.
    target: float = None
    setup: Setup = Setup()
    # lbd with this setup takes part in the same rounds: what the setup's own cost is; and the most that it may be.
    beside: Setup = None
    growth: float = None
    # lbd against itself in the same rounds: what the method cannot tell apart.
    control: bool = False
    # Clients that are remembered, and those of the lbd beside.
    entries: int = 0
    few: int = 0
    # What a relay does in the same rounds: the least that this work costs on this machine.
    floor: str = ""
    # Rounds of so many times the usual length, where opening the connections would weigh.
    longer: int = 1


@dataclass
class Memory:
    name: str
    what: str
    program: str
    verb: str
    port: object
    # Two crowds, one after the other: the difference is divided by the second.
    crowds: tuple
    target: int


ONE = Setup()
ROUTES_1K = Setup("1,000 routes", routes=1_000)
ROUTES_10K = Setup("10,000 routes", routes=10_000)
TWO_SERVERS = Setup("2 servers", servers=2)
SERVERS_200 = Setup("200 servers", servers=200)
COOKIE = Setup("sticky by cookie", servers=2, sticky="cookie")
TABLE = Setup("sticky by a field", servers=2, sticky="table")
LOG = Setup("access log", access_log=True)

SCENARIOS = [
    Scenario("h1-64", "HTTP/1.1 keep-alive, 64 connections, 1 KB", "request", wrk(64), 0.80, control=True,
             floor="requests"),
    Scenario("h1-512", "the same, 512 connections", "request", wrk(512), 0.72, floor="requests"),
    Scenario("h1-browser", "the same, 64 connections, a browser's 12 fields", "request",
             wrk(64, headers=BROWSER), 0.80, floor="requests"),
    Scenario("h1-close", "a new connection for each request", "request", wrk(64, script=("close",)), 0.85,
             floor="closing"),
    Scenario("tls-64", "TLS 1.3 keep-alive, 64 connections, 1 KB", "request", wrk(64, secure=True), 0.80,
             longer=2),
    Scenario("tls-full", "full TLS 1.3 handshake and one request", "connection",
             own("connections.py", "handshakes", secure), 0.70),
    Scenario("tls-resumed", "resumed TLS 1.3 handshake and one request", "connection",
             own("connections.py", "resumed", secure), 0.75),
    Scenario("h2", "HTTP/2 over TLS, 16 connections x 32 streams, 1 KB", "request", h2load(16, 32), 0.85),
    Scenario("body-64k", "64 KB down, 16 connections", "answer", wrk(16, "/64k", size=64 << 10),
             floor="bodies"),
    Scenario("body-1m", "1 MB down, 8 connections", "answer", wrk(8, "/1m", size=1 << 20), 0.45,
             floor="bodies"),
    Scenario("body-100m", "100 MB down, 2 connections", "answer", wrk(2, "/100m", size=100 << 20), 0.40,
             floor="bodies"),
    Scenario("upload-1m", "1 MB up, 8 connections", "request", wrk(8, "/upload", script=("upload",)), 0.60,
             floor="bodies"),
    Scenario("ws", "WebSocket echo, 64 connections, 64 bytes", "message and its echo",
             own("websockets.py", "echo", plain, 64), 0.78, floor="sockets"),
    Scenario("sticky", "h1-64 with a session cookie", "request", sticky(64), 0.80, COOKIE, floor="requests"),
    Scenario("sticky-1m", "h1-64, one of 1,000,000 remembered clients at random", "request", sessions(64), 0.80,
             TABLE, beside=TABLE, growth=1.07, entries=ENTRIES, few=FEW_ENTRIES),
    Scenario("routes-1k", "h1-64, the last of 1,000 routes", "request", wrk(64, "/route-999/1k"), 0.80,
             ROUTES_1K, beside=ONE, growth=1.07),
    Scenario("routes-10k", "h1-64, the last of 10,000 routes", "request", wrk(64, "/route-9999/1k"), 0.80,
             ROUTES_10K, beside=ONE, growth=1.07),
    Scenario("servers-200", "h1-64, 200 servers in the pool", "request", wrk(64), 0.80,
             SERVERS_200, beside=TWO_SERVERS, growth=1.07, floor="requests"),
    Scenario("log", "h1-64 with the access log on", "request", wrk(64), None, LOG, beside=ONE, growth=1.06),
]

MEMORY = [
    Memory("idle-client", "an idle keep-alive client", "connections.py", "idle", loads.plain, (500, 2000), 2048),
    Memory("idle-tls", "an idle client over TLS", "connections.py", "idle-tls", loads.secure, (200, 800), 14336),
    Memory("idle-ws", "an idle WebSocket", "websockets.py", "idle", loads.plain, (500, 2000), 4096),
]
