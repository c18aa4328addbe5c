#!/usr/bin/env python3
"""Load and faults at random for a long time, and what must hold all the while.

  LBD_BIN=target/release/lbd LBCTL_BIN=target/release/lbctl tests/acceptance/soak.py --minutes 30

Faults: reloads, servers that are killed or stopped, drains, slow clients, resets, upgrades. Invariants: an answer
belongs to its request, no POST is seen twice, by one server or by two, a cookie's client stays with its server, no 5xx
that no fault explains, descriptors and memory come back. Memory: the last five minutes within 5 % of minutes 5 to 10,
for a run of 15 minutes or more without upgrades; with upgrades each process is compared with the first.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from balancer import free_ports, make_certificate  # noqa: E402
from load import Load, Origin, fetch  # noqa: E402
from upgrade import Lbd  # noqa: E402

KDL = """// round {round}
listen "127.0.0.1:{front}" name=plain {{ limits max-connections=20000; }}
listen "127.0.0.1:{secure}" name=secure {{
  tls {{ certificate "{dir}/cert.pem" key="{dir}/key.pem" }}
}}
control socket="{dir}/control.sock"
pool app {{
  server s0 "127.0.0.1:{ports[0]}"
  server s1 "127.0.0.1:{ports[1]}"
  server s2 "127.0.0.1:{ports[2]}"
  balance round-robin
  sticky cookie name=NODE
  health "/__health" interval="1s" timeout="1s" rise=1 fall=2
  drain close-rate="20/s" deadline="30s"
}}
route "/" pool=app {{ timeout connect="2s" response="20s"; response-headers {{ set x-round "{round}"; }}; }}
"""


class Soak:
    def __init__(self, options, directory):
        self.options, self.directory = options, Path(directory)
        self.random = random.Random(options.seed)
        self.front, self.secure, *self.ports = free_ports(5)
        make_certificate(self.directory)
        self.origins = [self.start(n) for n in range(3)]
        self.round, self.twice, self.done = 0, 0, {}
        self.posts = set()
        self.lbd = Lbd(directory, self.text())
        self.load = Load(self.front, options.seed, self.secure)
        self.memory, self.files, self.broken = [], [], []
        self.files_first, self.files_left = len(os.listdir(f"/proc/{self.lbd.first.pid}/fd")), None

    def text(self):
        return KDL.format(round=self.round, front=self.front, secure=self.secure, ports=self.ports, dir=self.directory)

    def start(self, n):
        origin = Origin(f"s{n}", self.ports[n])
        origin.start()
        return origin

    async def ctl(self, *words):
        return await asyncio.get_running_loop().run_in_executor(None, self.lbd.ask, *words)

    async def reload(self):
        self.round += 1
        new = self.directory / "new"
        new.write_text(self.text())
        new.rename(self.directory / "lbd.kdl")

    async def kill(self):
        n = self.random.randrange(3)
        self.load.excuse(12)
        self.twice += await self.repeats(n)
        self.origins[n].kill()
        await asyncio.sleep(self.random.uniform(1, 4))
        self.origins[n].join()
        self.origins[n] = self.start(n)
        await asyncio.sleep(6)

    async def stop(self):
        n = self.random.randrange(3)
        self.load.excuse(30)
        os.kill(self.origins[n].pid, signal.SIGSTOP)
        await asyncio.sleep(self.random.uniform(1, 6))
        os.kill(self.origins[n].pid, signal.SIGCONT)
        await asyncio.sleep(22)

    async def drain(self):
        n = self.random.randrange(3)
        # Sticky clients move, or their WebSockets are closed: that is what was asked for.
        self.load.excuse(20)
        if await self.ctl("drain", f"app/s{n}", "--sticky", "move", "--force") is None:
            self.broken.append(f"drain: {self.lbd.complaint}")
        await asyncio.sleep(self.random.uniform(2, 6))
        await self.ctl("ready", f"app/s{n}")

    async def slow(self):
        """Clients that send a byte now and then, or do not read."""
        sockets = []
        for _ in range(50):
            client = socket.create_connection(("127.0.0.1", self.front), timeout=5)
            client.setblocking(False)
            sockets.append(client)
            try:
                client.send(b"GET / HTTP/1.1\r\nHost: a")
            except OSError:
                pass
        await asyncio.sleep(self.random.uniform(2, 8))
        for client in sockets:
            client.close()

    async def reset(self):
        for _ in range(50):
            client = socket.create_connection(("127.0.0.1", self.front), timeout=5)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.send(b"GET / HTTP/1.1\r\nHost: app.test\r\nX-Id: reset\r\n\r\n"[:self.random.randrange(1, 55)])
            client.close()
            await asyncio.sleep(0.01)

    async def upgrade(self):
        if len((await self.ctl("status") or {}).get("predecessors", [])) > 2:
            return
        if await self.ctl("daemon", "upgrade") is None:
            self.broken.append(f"upgrade: {self.lbd.complaint}")

    async def repeats(self, n):
        """POSTs that this server saw twice, or that another one, or one before it, saw as well. Asked once of each."""
        try:
            told = json.loads(await asyncio.wait_for(fetch(self.ports[n], "/__stats"), 20))
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            self.broken.append(f"a server does not tell what it saw: {error!r}")
            return 0
        seen = set(told["posts"])
        elsewhere = len(seen & self.posts)
        self.posts |= seen
        return told["twice"] + elsewhere

    async def faults(self, end):
        names = ["reload", "kill", "stop", "drain", "slow", "reset"] + (["upgrade"] if self.options.upgrades else [])
        while time.monotonic() < end:
            await asyncio.sleep(self.random.uniform(1, 5))
            name = self.random.choice(names)
            self.done[name] = self.done.get(name, 0) + 1
            await getattr(self, name)()

    async def watch(self, end):
        began = time.monotonic()
        while time.monotonic() < end:
            await asyncio.sleep(5)
            pid = (await self.ctl("daemon", "info") or {}).get("pid")
            if not pid:
                self.broken.append(f"lbd does not answer: {self.lbd.complaint}")
                continue
            try:
                status = Path(f"/proc/{pid}/status").read_text()
                kilobytes = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))
                self.memory.append((time.monotonic() - began, pid, kilobytes))
                self.files.append((time.monotonic() - began, pid, len(os.listdir(f"/proc/{pid}/fd"))))
            except (FileNotFoundError, StopIteration):
                pass
            at, _, kilobytes = self.memory[-1]
            print(f"{at:6.0f} s  {self.load.answered:8d} answered  rss {kilobytes / 1024:6.1f} MiB  "
                  f"fds {self.files[-1][2]:5d}  faults {sum(self.done.values()):4d}  "
                  f"failures {dict(self.load.failures) or 0}", flush=True)

    async def run(self):
        options = self.options
        # Ten clients of HTTP/2 with four requests at once, and 40 of HTTP/1.1, every fourth in TLS.
        each, load = options.rate / 50, self.load
        clients = [asyncio.create_task(load.client(each, keep=0.95, cookie="NODE=none" if n % 2 else None, tls=n % 4 == 0))
                   for n in range(40)]
        clients += [asyncio.create_task(load.multiplexed(each, 4)) for _ in range(10)]
        sockets = [asyncio.create_task(load.websocket(3, tls=n % 4 == 0)) for n in range(options.websockets)]
        end = time.monotonic() + options.minutes * 60
        await asyncio.gather(self.faults(end), self.watch(end))
        await asyncio.sleep(25)
        self.load.running = False
        await asyncio.gather(*clients, return_exceptions=True)
        for task in sockets:
            task.cancel()
        await asyncio.gather(*sockets, return_exceptions=True)
        for n in range(3):
            self.twice += await self.repeats(n)
        # All clients are gone; what they left on its way has its time.
        for _ in range(40):
            status = await self.ctl("status") or {}
            left = sum(listener["connections"] for listener in status.get("listeners", []))
            held = sum(pool["in_flight"] + pool["sessions"] for pool in status.get("pools", []))
            before = len(status.get("predecessors", []))
            if status and not (left or held or before):
                break
            await asyncio.sleep(1)
        pid = status.get("pid") or (await self.ctl("daemon", "info") or {}).get("pid")
        self.files_left = len(os.listdir(f"/proc/{pid}/fd")) if pid else None
        return left, held, before

    def judge(self, left, held, before):
        wrong = list(self.broken)
        if self.load.failures:
            wrong.append(f"failures {dict(self.load.failures)}")
        if self.twice:
            wrong.append(f"{self.twice} POSTs were seen twice")
        if not self.posts:
            wrong.append("no server saw a POST")
        if left or held:
            wrong.append(f"{left} connections and {held} requests or streams are left of nobody")
        if before:
            wrong.append(f"{before} processes before the last upgrade are not gone")
        # Kept connections to three servers, and what a process without clients has open.
        if self.files_left is None or self.files_left > self.files_first + 100:
            wrong.append(f"{self.files_left} descriptors are open, {self.files_first} were at first")
        last = self.memory[-1][0]
        early = [kb for at, _, kb in self.memory if 300 <= at < 600]
        late = [kb for at, _, kb in self.memory if at >= last - 300]
        if early and last >= 900:
            early, late = sum(early) / len(early), sum(late) / len(late)
            print(f"memory: minutes 5 to 10 {early / 1024:.1f} MiB, last five {late / 1024:.1f} MiB: {late / early - 1:+.1%}")
            if late > early * 1.05:
                wrong.append("memory grew by more than 5 %")
        return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--rate", type=int, default=300, help="requests a second")
    parser.add_argument("--websockets", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--no-upgrades", dest="upgrades", action="store_false")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory() as directory:
        soak = Soak(options, directory)
        try:
            soak.lbd.wait_for_servers()
            wrong = soak.judge(*asyncio.run(soak.run()))
        finally:
            soak.lbd.end()
            for origin in soak.origins:
                origin.kill()
        load = soak.load
        print(f"{load.answered} answered, faults {soak.done}, explained by them {dict(load.explained) or 0}, "
              f"WebSockets told to go {len(load.closes)}")
        for what in wrong:
            print(f"VIOLATION: {what}")
        if wrong:
            print((Path(directory) / "log").read_text()[-3000:], file=sys.stderr)
        print("FAILED" if wrong else "passed")
        sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
