#!/usr/bin/env python3
"""An upgrade under load, over HTTP/1.1 plain and in TLS and HTTP/2 at once: no request fails, no connection is refused,
WebSockets end by the old process's pace only.

  LBD_BIN=target/release/lbd LBCTL_BIN=target/release/lbctl tests/acceptance/upgrade.py

Says so much and exits 0, or tells what was lost and exits 1.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from balancer import free_ports, make_certificate  # noqa: E402
from load import Load, Origin  # noqa: E402

CODE = 4012

KDL = """listen "127.0.0.1:{front}" name=plain
listen "127.0.0.1:{secure}" name=secure {{
  tls {{ certificate "{dir}/cert.pem" key="{dir}/key.pem" }}
}}
control socket="{dir}/control.sock"
pool app {{
  server one "127.0.0.1:{one}"
  server two "127.0.0.1:{two}"
  balance round-robin
  health "/__health" interval="1s" timeout="1s"
  drain close-rate="{pace}/s" close-code={code}
}}
route "/" pool=app
"""


class Lbd:
    """The balancer, and whatever process it is by now."""

    def __init__(self, directory, text):
        self.directory = Path(directory)
        (self.directory / "lbd.kdl").write_text(text)
        self.log = open(self.directory / "log", "wb")
        lbd = os.path.abspath(os.environ.get("LBD_BIN", "target/release/lbd"))
        self.lbctl_bin = os.environ.get("LBCTL_BIN", str(Path(lbd).with_name("lbctl")))
        command = [lbd, "run", str(self.directory / "lbd.kdl"), "--state-dir", str(self.directory / "state")]
        self.first = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        for _ in range(600):
            if self.ask("daemon", "info") is not None:
                return
            time.sleep(0.1)
        raise SystemExit("lbd does not start:\n" + (self.directory / "log").read_text())

    def ask(self, *words, patience=120):
        command = [self.lbctl_bin, "--socket", str(self.directory / "control.sock"), "--json", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience)
        if done.returncode != 0:
            self.complaint = done.stderr.strip() + done.stdout.strip()
            return None
        return json.loads(done.stdout)

    def wait_for_servers(self):
        """Until no check says that a server is down."""
        for _ in range(600):
            pools = (self.ask("status") or {}).get("pools", [])
            if pools and all(pool["up"] == pool["servers"] for pool in pools):
                return
            time.sleep(0.1)
        raise SystemExit("the servers do not come up")

    def pid(self):
        return (self.ask("daemon", "info") or {}).get("pid")

    def end(self):
        pid = self.pid()
        others = [one["pid"] for one in (self.ask("status") or {}).get("predecessors", [])]
        for one in [pid, *others, self.first.pid if self.first.poll() is None else None]:
            if one:
                try:
                    os.kill(one, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.first.wait()


# Of ten clients: four of plain HTTP/1.1, three of it in TLS, three of HTTP/2 in TLS.
PLAIN, TLS = 4, 7
# What a client of HTTP/2 asks at once.
STREAMS = 5


def begin(options, load):
    """The clients, which share the rate."""
    each = options.rate / options.clients
    for n in range(options.clients):
        # One of ten has a new connection for each request.
        keep, kind = (0.95 if (n // 10) % 10 else 0.0), n % 10
        if kind < TLS:
            yield asyncio.create_task(load.client(each, keep=keep, tls=kind >= PLAIN))
        else:
            yield asyncio.create_task(load.multiplexed(each, STREAMS))


async def measure(options, lbd, front, secure):
    load, first = Load(front, options.seed, secure), time.monotonic()
    clients = list(begin(options, load))
    sockets = []
    for n in range(options.websockets):
        sockets.append(asyncio.create_task(load.websocket(5, tls=n % 5 == 0)))
        await asyncio.sleep(0.01)
    await asyncio.sleep(options.seconds / 2)
    loop, began, before = asyncio.get_running_loop(), time.monotonic(), load.answered
    opened = len(load.closes)
    done = await loop.run_in_executor(None, lbd.ask, "daemon", "upgrade")
    if done is None:
        raise SystemExit(f"the upgrade failed: {lbd.complaint}")
    took = time.monotonic() - began
    print(f"upgrade: process {done['old_pid']} -> {done['pid']} in {took:.1f} s, "
          f"{load.answered - before} requests answered meanwhile; {opened} WebSockets closed before it")
    end = time.monotonic() + max(options.seconds, options.websockets / options.pace * 3 + 20)
    left = None
    while time.monotonic() < end:
        await asyncio.sleep(1)
        status = await loop.run_in_executor(None, lbd.ask, "status")
        now = [(one["requests"], one["websockets"]) for one in (status or {}).get("predecessors", [])]
        if now != left:
            print(f"  {time.monotonic() - began:5.1f} s: old process: "
                  + (", ".join(f"{r} requests, {w} websockets" for r, w in now) or "gone"))
        left = now
        if not now and time.monotonic() > began + options.seconds / 2:
            break
    elapsed = time.monotonic() - first
    load.running = False
    await asyncio.gather(*clients, return_exceptions=True)
    for task in sockets:
        task.cancel()
    await asyncio.gather(*sockets, return_exceptions=True)
    return load, elapsed, left


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=2000, help="requests a second")
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--websockets", type=int, default=500)
    parser.add_argument("--pace", type=int, default=50, help="WebSockets that the old process closes in a second, of each of the two servers")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    front, secure, one, two = free_ports(4)
    origins = [Origin("one", one), Origin("two", two)]
    for origin in origins:
        origin.start()
    with tempfile.TemporaryDirectory() as directory:
        make_certificate(Path(directory))
        text = KDL.format(front=front, secure=secure, one=one, two=two, dir=directory, pace=options.pace, code=CODE)
        lbd = Lbd(directory, text)
        try:
            lbd.wait_for_servers()
            load, elapsed, left = asyncio.run(measure(options, lbd, front, secure))
        finally:
            lbd.end()
            for origin in origins:
                origin.kill()
        codes = {code for _, code in load.closes}
        moments = sorted(moment for moment, _ in load.closes)
        fastest = max((sum(1 for m in moments if start <= m < start + 1) for start in moments), default=0)
        print(f"{load.answered} requests, {load.answered / elapsed:.0f}/s, slowest {load.slowest:.2f} s, "
              f"{load.again} sent again as the server asked; "
              f"failed: {dict(load.failures) or 0}; WebSockets closed {len(moments)} with {sorted(codes)}, "
              f"at most {fastest} in a second")
        good = not load.failures and not left and codes <= {CODE} and len(moments) == options.websockets
        # Clients read late on a busy machine: a little more than the pace in one second is theirs.
        good = good and fastest <= options.pace * len(origins) * 2
        print("passed" if good else "FAILED")
        if not good:
            print((Path(directory) / "log").read_text()[-4000:], file=sys.stderr)
        sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
