"""Counts what lbd does for a unit of work, and compares it with the budgets. See `run`.

Instructions and allocations are counted by callgrind for one client, so that every run counts nearly the same; system
calls by strace for 64 clients at once, where one wait for events serves many requests.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "compare"))

import origins  # noqa: E402 # the same servers and loads as in the comparison
from loads import output  # noqa: E402
from machine import free_port  # noqa: E402

BUDGETS = HERE / "budgets.json"
# Instructions repeat within a percent. The others are whole numbers for each unit, and what a connection or a tick of a
# clock does is spread over the units: one more for each unit is far above this.
SLACK = {"instructions": 1.03, "allocations": 1.0, "syscalls": 1.03}
SPREAD = {"instructions": 0, "allocations": 0.2, "syscalls": 0.15}
ALLOCATORS = ("malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign")


class Guarded:
    """lbd under an instrument."""

    def __init__(self, folder, addresses, under):
        self.folder, self.plain, self.secure = folder, free_port(), free_port()
        config = folder / "lbd.kdl"
        config.write_text(f"""
listen "127.0.0.1:{self.plain}" name=plain
listen "127.0.0.1:{self.secure}" name=secure {{
  tls {{ certificate "cert.pem" key="key.pem" }}
}}
control socket="{folder}/control.sock"
pool web {{ server one "{addresses.address(0)}"; health "/health" interval="60s" timeout="5s"; }}
pool kept {{
  server one "{addresses.address(0)}"
  server two "{addresses.address(1)}"
  sticky cookie name=SRV
  health "/health" interval="60s" timeout="5s"
}}
pool sockets {{ server one "127.0.0.1:{addresses.websocket}"; health tcp interval="60s" timeout="5s"; }}
route "/" pool=web
route "/kept" pool=kept
route "/ws" pool=sockets
""")
        log = (folder / "log").open("w")
        command = [os.environ["LBD_BIN"], "run", config, "--workers", "1", "--state-dir", folder / "state"]
        self.process = subprocess.Popen([*under, *command], stdout=log, stderr=log)
        end = time.monotonic() + 120
        while subprocess.run(["curl", "-sf", "-m5", "-o/dev/null", f"http://127.0.0.1:{self.plain}/1k"]).returncode:
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"lbd does not serve; see {folder}/log")
            time.sleep(0.2)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


def requests(secure=False, h1=True, path="/1k", streams=1):
    """h2load, for a number of requests."""

    def run(lbd, clients, count):
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
    command = [sys.executable, HERE.parent / "compare" / "websockets.py", "count", lbd.plain, clients, count]
    return int(output(command, 60))


SCENARIOS = {
    "h1": requests(),
    "h1-sticky": requests(path="/kept/1k"),
    "tls": requests(secure=True),
    "h2": requests(secure=True, h1=False, streams=10),
    "ws": messages,
}


def counted(file):
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


def callgrind(folder, addresses, count=2000):
    out = folder / "callgrind.out"
    lbd = Guarded(folder, addresses, ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"])
    results = {}
    try:
        for number, (name, load) in enumerate(SCENARIOS.items(), 1):
            load(lbd, 1, 500)
            subprocess.run(["callgrind_control", "-z", str(lbd.process.pid)], check=True, capture_output=True)
            done = load(lbd, 1, count)
            subprocess.run(["callgrind_control", "-d", str(lbd.process.pid)], check=True, capture_output=True)
            instructions, allocations = counted(Path(f"{out}.{number}"))
            # A new connection in each load, and the clock's ticks, are spread over its units.
            results[name] = {"instructions": round(instructions / done), "allocations": allocations / done}
    finally:
        lbd.stop()
    return results


def strace(folder, addresses, count=20000):
    """System calls by unit, of a daemon that runs already: start and stop are not counted."""
    results = {}
    lbd = Guarded(folder, addresses, [])
    try:
        for name, load in SCENARIOS.items():
            load(lbd, 64, 640)
            report = folder / f"strace-{name}"
            tracer = subprocess.Popen(
                ["strace", "-f", "-c", "-o", str(report), "-p", str(lbd.process.pid)], stderr=subprocess.PIPE)
            while b"attached" not in tracer.stderr.readline():
                pass
            done = load(lbd, 64, count)
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=30)
            total = re.findall(r"(?m)^\s*100\.00\s+\S+\s+\S+\s+(\d+)", report.read_text())
            results[name] = int(total[-1]) / done
    finally:
        lbd.stop()
    return results


def verdict(found, budgets):
    """Prints each count beside its budget; whether all hold."""
    good = True
    for name, counts in found.items():
        for what, value in counts.items():
            budget = budgets.get(name, {}).get(what)
            holds = budget is not None and value <= budget * SLACK[what] + SPREAD[what]
            good &= holds
            print(f"{'ok  ' if holds else 'OVER'} {name} {what} {value:.2f}, budget {budget}")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write what was counted as the new budgets")
    args = parser.parse_args()
    if "avx2" not in Path("/proc/cpuinfo").read_text():
        print("skipped: the budgets were counted with AVX2, which this processor does not have")
        return
    folder = Path(tempfile.mkdtemp(prefix="lbd-guards-"))
    origins.certificate(folder)
    running = origins.Running(folder)
    try:
        found = callgrind(folder, running.addresses)
        for name, calls in strace(folder, running.addresses).items():
            found[name]["syscalls"] = round(calls, 2)
    finally:
        running.stop()
    shutil.rmtree(folder, ignore_errors=True)
    for counts in found.values():
        counts["allocations"] = round(counts["allocations"], 2)
    if args.record:
        BUDGETS.write_text(json.dumps(found, indent=2) + "\n")
        print(BUDGETS.read_text())
    elif not verdict(found, json.loads(BUDGETS.read_text())):
        sys.exit("a budget is exceeded: mend it, or record why it is worth it (benches/guards/run --record)")


if __name__ == "__main__":
    main()
