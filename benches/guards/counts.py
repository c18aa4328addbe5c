"""Instructions, allocations and system calls of lbd for a unit of work.

Instructions and allocations are counted by callgrind for one client, so that every run counts nearly the same; system
calls by strace for 64 clients at once, where one wait for events serves many requests.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from loads import HERE as COMPARE
from loads import output
from machine import PROXY_CORE, free_port, pinned

# Loads of each kind, of which the one with the least instructions counts.
TURNS = 2
ALLOCATORS = ("malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign")

# One processor for all machines: callgrind shows programs an AVX2 machine, but passes some features of the real one on.
# RDRAND, RDSEED and ADX are masked from the cryptography, and what the C library derives from cache sizes is fixed.
PINNED = {
    "OPENSSL_ia32cap": "~0x4000000000000000:~0xC0000",
    "GLIBC_TUNABLES": "glibc.cpu.x86_data_cache_size=32768:glibc.cpu.x86_shared_cache_size=1048576:"
                      "glibc.cpu.x86_non_temporal_threshold=786432",
}


class Guarded:
    """lbd under an instrument."""

    def __init__(self, folder, addresses, under, environment):
        self.folder, self.plain, self.secure = folder, free_port(), free_port()
        self.config, self.logs = folder / "lbd.kdl", None
        self.text = f"""
listen "127.0.0.1:{self.plain}" name=plain
listen "127.0.0.1:{self.secure}" name=secure {{
  tls {{ certificate "cert.pem" key="key.pem" }}
}}
control socket="{folder}/control.sock"
pool web {{ server one "{addresses.address(0)}"; health "/health" interval="60s" timeout="20s"; }}
pool kept {{
  server one "{addresses.address(0)}"
  server two "{addresses.address(1)}"
  sticky cookie name=SRV
  health "/health" interval="60s" timeout="20s"
}}
pool sockets {{ server one "127.0.0.1:{addresses.websocket}"; health tcp interval="60s" timeout="20s"; }}
route "/" pool=web
route "/kept" pool=kept
route "/ws" pool=sockets
"""
        self.config.write_text(self.text)
        log = (folder / "log").open("w")
        command = [os.environ["LBD_BIN"], "run", self.config, "--workers", "1", "--state-dir", folder / "state"]
        self.process = subprocess.Popen(
            pinned(PROXY_CORE, [*under, *command]), stdout=log, stderr=log, env={**os.environ, **PINNED, **environment})
        end = time.monotonic() + 240
        while any(self.ask(path) for path in ("/1k", "/kept/1k", "/ws")):
            if time.monotonic() > end or self.process.poll() is not None:
                self.stop()
                raise RuntimeError(f"lbd does not serve: {(folder / 'log').read_text()[-500:]}")
            time.sleep(0.2)

    def ask(self, path):
        """Whether no server answers yet."""
        command = ["curl", "-s", "-m5", "-o/dev/null", "-w%{http_code}", f"http://127.0.0.1:{self.plain}{path}"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout not in ("200", "426")

    def logging(self, form):
        """Writes an access log of this form from now on: the configuration is edited while it runs."""
        if form is None or form == self.logs:
            return
        lines = self.folder / f"access.{form}"
        self.config.write_text(f'log {{ access to="{lines}" format={form}; }}\n{self.text}')
        end = time.monotonic() + 240
        while not (lines.exists() and lines.stat().st_size):
            if time.monotonic() > end:
                raise RuntimeError(f"no line in {lines}: {(self.folder / 'log').read_text()[-500:]}")
            self.ask("/1k")
            time.sleep(0.2)
        self.logs = form

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


def requests(secure=False, h1=True, path="/1k", streams=1, log=None):
    """h2load, for a number of requests."""

    def run(lbd, clients, count):
        lbd.logging(log)
        base = f"https://127.0.0.1:{lbd.secure}" if secure else f"http://127.0.0.1:{lbd.plain}"
        command = ["h2load", f"-n{count}", f"-c{clients}", f"-m{streams}"]
        command += ["--h1"] if h1 else []
        if path.startswith("/kept"):
            head = output(["curl", "-sS", "-D-", "-o/dev/null", base + path], 5)
            command += ["-H", "cookie: theme=dark; " + re.search(r"(?i)set-cookie: (SRV=[^;\r]+)", head)[1]]
        text = output([*command, base + path], 60)
        done = int(re.search(r"(\d+) succeeded", text)[1])
        if done != count:
            raise RuntimeError(text)
        return done

    return run


def messages(lbd, clients, count):
    """WebSocket messages with their echoes."""
    command = [sys.executable, COMPARE / "websockets.py", "count", lbd.plain, clients, count]
    return int(output(command, 60))


SCENARIOS = {
    "h1": requests(),
    "h1-sticky": requests(path="/kept/1k"),
    "tls": requests(secure=True),
    "h2": requests(secure=True, h1=False, streams=10),
    "ws": messages,
    # Last, as the log stays.
    "h1-json": requests(log="json"),
    "h1-combined": requests(log="combined"),
}


def dumped(file):
    """Instructions and allocations of a dump."""
    instructions, allocations, names, calls_allocator = 0, 0, {}, False
    for line in file.read_text().splitlines():
        if found := re.match(r"c?fn=\((\d+)\)(?: (.*))?", line):
            if found[2]:
                names[found[1]] = found[2]
            if line.startswith("cfn"):
                calls_allocator = names[found[1]] in ALLOCATORS
        elif found := re.match(r"calls=(\d+)", line):
            allocations += int(found[1]) if calls_allocator else 0
        elif found := re.match(r"(?:summary|totals): (\d+)", line):
            instructions = int(found[1])
    return instructions, allocations


def callgrind(folder, addresses, names, environment, count=2000):
    """Instructions and allocations by scenario."""
    out = folder / "callgrind.out"
    command = ["valgrind", "-q", "--tool=callgrind", "--separate-threads=yes",
               f"--callgrind-out-file={out}"]
    lbd = Guarded(folder, addresses, command, environment)
    pid = str(lbd.process.pid)
    results = {}
    try:
        number = 0
        for name in names:
            load = SCENARIOS[name]
            load(lbd, 1, 500)
            dumps = []
            for _ in range(TURNS):
                subprocess.run(["callgrind_control", "-z", pid], check=True, capture_output=True, timeout=60)
                done = load(lbd, 1, count)
                subprocess.run(["callgrind_control", "-d", pid], check=True, capture_output=True, timeout=60)
                number += 1
                # The busiest thread is the worker; what the others do (checks, watching files) goes by the clock, and
                # a slow machine would be charged for it. A new connection in each load is spread over its units.
                dumps.append(max(map(dumped, folder.glob(f"{out.name}.{number}-*"))))
            # The worker's own ticks go by the clock too, and a busy machine only ever adds: the least counts.
            instructions, allocations = min(dumps)
            results[name] = {"instructions": instructions / done, "allocations": allocations / done}
    finally:
        lbd.stop()
    return results


def strace(folder, addresses, names, environment, count=20000):
    """System calls by scenario, of a daemon that runs already: start and stop are not counted."""
    results = {}
    lbd = Guarded(folder, addresses, [], environment)
    try:
        for name in names:
            load = SCENARIOS[name]
            load(lbd, 64, 640)
            report = folder / f"strace-{name}"
            tracer = subprocess.Popen(
                ["strace", "-f", "-c", "-o", str(report), "-p", str(lbd.process.pid)], stderr=subprocess.PIPE)
            try:
                while b"attached" not in (line := tracer.stderr.readline()):
                    if not line:
                        raise RuntimeError("strace could not attach: is ptrace allowed here?")
                done = load(lbd, 64, count)
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.communicate(timeout=30)
            total = re.findall(r"(?m)^\s*100\.00\s+\S+\s+\S+\s+(\d+)", report.read_text())
            results[name] = int(total[-1]) / done
    finally:
        lbd.stop()
    return results


def train(folder, addresses, count=50000):
    """Every load, without an instrument."""
    lbd = Guarded(folder, addresses, [], {})
    try:
        for load in SCENARIOS.values():
            load(lbd, 64, count)
    finally:
        lbd.stop()
