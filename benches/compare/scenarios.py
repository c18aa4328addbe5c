"""What is compared, and what is aimed at: processor time as a ratio to HAProxy's in the same round."""

from dataclasses import dataclass

import loads
from loads import BROWSER, h2load, own, plain, routed, secure, sticky, wrk
from peers import Setup


@dataclass
class Scenario:
    name: str
    what: str
    unit: str
    load: object
    target: float
    setup: str = "base"
    peers: tuple = ("lbd", "haproxy", "nginx")
    seconds: int = 2


@dataclass
class Memory:
    name: str
    what: str
    program: str
    verb: str
    port: object
    count: int
    target: int


SETUPS = {
    setup.name: setup
    for setup in (
        Setup("base"),
        Setup("sticky", sticky=True),
        Setup("log", access_log=True),
        Setup("1000 routes", routes=1_000),
        Setup("10000 routes", routes=10_000),
        Setup("200 servers", servers=200),
    )
}

SCENARIOS = [
    Scenario("h1-64", "HTTP/1.1 keep-alive, 64 connections, 1 KB", "request", wrk(64), 0.80),
    Scenario("h1-512", "the same, 512 connections", "request", wrk(512), 0.72),
    Scenario("h1-browser", "the same, 64 connections, a browser's 12 fields", "request", wrk(64, headers=BROWSER), 0.80),
    Scenario("h1-close", "a new connection for each request", "request", wrk(64, script="close.lua"), 0.85),
    Scenario("tls-64", "TLS 1.3 keep-alive, 64 connections, 1 KB", "request", wrk(64, secure=True), 0.80),
    Scenario("tls-full", "full TLS 1.3 handshake and one request", "connection",
             own("connections.py", "handshakes", secure), 0.70),
    Scenario("tls-resumed", "resumed TLS 1.3 handshake and one request", "connection",
             own("connections.py", "resumed", secure), 0.75),
    Scenario("h2", "HTTP/2 over TLS, 16 connections x 32 streams, 1 KB", "request", h2load(16, 32), 0.85),
    Scenario("body-64k", "64 KB down, 16 connections", "answer", wrk(16, "/64k"), 0.60),
    Scenario("body-1m", "1 MB down, 8 connections", "answer", wrk(8, "/1m"), 0.45),
    Scenario("body-100m", "100 MB down, 2 connections", "answer", wrk(2, "/100m"), 0.40),
    Scenario("upload-1m", "1 MB up, 8 connections", "request", wrk(8, "/upload", script="upload.lua"), 0.60),
    Scenario("ws", "WebSocket echo, 64 connections, 64 bytes", "message and its echo",
             own("websockets.py", "echo", plain, 64), 0.78),
    Scenario("sticky", "h1-64 with a session cookie", "request", sticky(64), 0.80, "sticky", ("lbd", "haproxy")),
    Scenario("log", "h1-64 with the access log on", "request", wrk(64), 0.85, "log"),
    Scenario("routes-1k", "h1-64, the last of 1,000 routes", "request", routed(64, 1_000), 0.80, "1000 routes"),
    Scenario("routes-10k", "h1-64, the last of 10,000 routes", "request", routed(64, 10_000), 0.80, "10000 routes"),
    Scenario("servers-200", "h1-64, 200 servers in the pool", "request", wrk(64), 0.80, "200 servers"),
]

MEMORY = [
    Memory("idle-client", "an idle keep-alive client", "connections.py", "idle", loads.plain, 2000, 2048),
    Memory("idle-tls", "an idle client over TLS", "connections.py", "idle-tls", loads.secure, 500, 14336),
    Memory("idle-ws", "an idle WebSocket", "websockets.py", "idle", loads.plain, 2000, 4096),
]
