#!/usr/bin/env python3
"""How long well-behaved clients wait while others attack, beside HAProxy and nginx, and what the attack costs in memory.

  LBD_BIN=target/release/lbd PACE_BIN=target/release/lbd-pace benches/compare/attack.py

For each proxy and each attack, in the same minute: the times of a steady load in calm, then during the attack. The
target is a p99 under twice its calm value. Proxies take turns; each figure is the median of the rounds. One core has
the proxy, the other all else, so a load that has to share its core with the attackers is charged to nobody but
itself: it is the same for all.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import origins
import peers
from latency import Pace
from loads import Void
from machine import LOAD_CORE, pinned

HERE = Path(__file__).parent
# What it is, the program's word for it, how many, and to which port it goes.
ATTACKS = {
    "slow heads": ("heads", 500, "plain"),
    "stalled readers": ("readers", 200, "plain"),
    "rapid reset": ("resets", 2000, "secure"),
}
TARGET = 2.0
# Seconds until buffers are full and the last of them came.
SETTLED = 3


class Attack:
    """An attack that goes on."""

    def __init__(self, proxy, kind, count, port):
        command = pinned(LOAD_CORE, [sys.executable, HERE / "attackers.py", kind, getattr(proxy, port), count])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        if self.process.stdout.readline() != "ready\n":
            raise Void("the attackers did not come")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def measure(proxy, attack, options):
    """The p99 in calm and under attack, in microseconds, and what memory grew by, in bytes."""
    steady = lambda: Pace(proxy.plain, options.rate, options.seconds).times()["p99"]  # noqa: E731
    calm, before = steady(), proxy.anonymous()
    with Attack(proxy, *ATTACKS[attack]):
        # What their arrival costs is over: this is about what they cost by being there.
        time.sleep(SETTLED)
        attacked = steady()
        grown = proxy.anonymous() - before
    return calm, attacked, grown


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=1000, help="well-behaved requests a second")
    parser.add_argument("--only", action="append", choices=list(ATTACKS), help="only this attack")
    parser.add_argument("--peers", nargs="*", default=["haproxy", "nginx"])
    parser.add_argument("--list", action="store_true", help="print the names of the attacks")
    options = parser.parse_args()
    if options.list:
        print("\n".join(ATTACKS))
        return 0
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.environ.setdefault("PACE_BIN", "target/release/lbd-pace")
    os.environ.setdefault("LBD_BIN", "target/release/lbd")
    good = True
    with tempfile.TemporaryDirectory(prefix="lbd-attack-") as folder:
        folder = Path(folder)
        origins.certificate(folder)
        servers = origins.Running(folder)
        try:
            good = run(options, folder, servers)
        finally:
            servers.stop()
    print("passed" if good else "FAILED")
    return 0 if good else 1


def run(options, folder, servers):
    found = {}
    for number in range(options.rounds):
        kinds = [kind for kind in ["lbd", *options.peers] if peers.binary(kind)]
        for attack in options.only or ATTACKS:
            for kind in kinds if number % 2 == 0 else kinds[::-1]:
                place = folder / f"{number}-{attack.replace(' ', '-')}-{kind}"
                proxy = peers.KINDS[kind][0](kind, peers.binary(kind), place, peers.Setup(), servers.addresses)
                proxy.start()
                try:
                    found.setdefault((attack, kind), []).append(measure(proxy, attack, options))
                except Void as error:
                    print(f"{attack}, {kind}: void: {error}", flush=True)
                finally:
                    proxy.stop()
    good = True
    print(f"{'attack':16} {'proxy':8} {'calm p99':>10} {'attacked':>10} {'ratio':>6} {'memory':>10}")
    for (attack, kind), rounds in found.items():
        calm, attacked, grown = (statistics.median(one[n] for one in rounds) for n in range(3))
        ratio = statistics.median(one[1] / one[0] for one in rounds)
        print(f"{attack:16} {kind:8} {calm:7.0f} us {attacked:7.0f} us {ratio:6.2f} {grown / 1048576:6.1f} MiB")
        good = good and (kind != "lbd" or ratio < TARGET)
    return good and any(kind == "lbd" for _, kind in found)


if __name__ == "__main__":
    sys.exit(main())
