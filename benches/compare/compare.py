"""lbd beside its peers. See `run`; the fairness choices stand in peers.py."""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import origins
import report
from loads import HERE, Held
from machine import LOAD_CORE, pinned
from peers import Haproxy, Lbd, Nginx
from scenarios import MEMORY, SCENARIOS, SETUPS

PEERS = {"lbd": Lbd, "haproxy": Haproxy, "nginx": Nginx}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these scenarios; nothing is written")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each scenario [default: 5]")
    parser.add_argument("--list", action="store_true", help="print the scenarios")
    parser.add_argument("--output", type=Path, default=HERE.parents[1] / "docs" / "benchmarks.md")
    return parser.parse_args()


def round_trip(scenario, proxies):
    """The cost of a unit for each proxy, in nanoseconds, one after the other."""
    costs = {}
    for proxy in proxies:
        before = proxy.cpu_ns()
        units = scenario.load(proxy, scenario.seconds)
        spent = proxy.cpu_ns() - before
        if not units:
            raise RuntimeError(f"{scenario.name}: {proxy.name} did nothing")
        costs[proxy.name] = spent / units
    return costs


def compare(scenario, proxies, rounds):
    """All rounds of a scenario; every other one in the opposite order."""
    proxies = [proxy for proxy in proxies if proxy.name.split(" ")[0] in scenario.peers]
    for proxy in proxies:
        scenario.load(proxy, 1)
    results = [round_trip(scenario, proxies if n % 2 == 0 else proxies[::-1]) for n in range(rounds)]
    line = report.Line(scenario, results)
    print(line.text(), flush=True)
    return line


def held(memory, proxies):
    """Memory of one connection that does nothing, in bytes."""
    found = {}
    for proxy in proxies:
        # What a first crowd leaves behind (pools, shelves) is no cost of the next one's members.
        with Held(memory.program, memory.verb, memory.port(proxy), 200):
            pass
        time.sleep(1)
        before = proxy.memory()
        with Held(memory.program, memory.verb, memory.port(proxy), memory.count):
            time.sleep(1)
            found[proxy.name] = (proxy.memory() - before) / memory.count
    print(f"{memory.name}: " + ", ".join(f"{name} {size:.0f} B" for name, size in found.items()), flush=True)
    return memory, found


def tail(lbd):
    """The slowest of lbd's answers, calm and while its file changes ten times, in microseconds."""
    command = ["wrk", "-t1", "-c32", "-d4s", "-s", HERE / "tail.lua", f"http://127.0.0.1:{lbd.plain}/1k"]

    def measure(edits):
        load = subprocess.Popen(pinned(LOAD_CORE, command), stdout=subprocess.PIPE, text=True)
        for n in range(edits):
            time.sleep(0.35)
            lbd.config.write_text(lbd.text() + f'route "/edit-{n}" {{ respond 204 }}\n')
        text = load.communicate(timeout=60)[0]
        if "Non-2xx" in text or "Socket errors" in text:
            raise RuntimeError(text)
        return [int(n) for n in re.search(r"p50 (\d+) p99 (\d+) p99\.9 (\d+)", text).groups()]

    calm, edited = measure(0), measure(10)
    print(f"reload: p50/p99/p99.9 {calm} us calm, {edited} us over ten reloads", flush=True)
    return calm, edited


def main():
    args = arguments()
    known = [entry.name for entry in (*SCENARIOS, *MEMORY)] + ["reload"]
    if args.list:
        print("\n".join(known))
        return
    wanted = args.only or known
    if unknown := set(wanted) - set(known):
        sys.exit(f"no scenario is named {', '.join(sorted(unknown))}; see --list")
    folder = Path(tempfile.mkdtemp(prefix="lbd-compare-"))
    origins.certificate(folder)
    running = origins.Running(folder)
    results = report.Results()
    try:
        for setup in SETUPS.values():
            scenarios = [s for s in SCENARIOS if s.setup == setup.name and s.name in wanted]
            extras = setup.name == "base" and any(n in wanted for n in ["reload", *(m.name for m in MEMORY)])
            if scenarios or extras:
                measure(setup, scenarios, wanted, args.rounds, running, folder, results)
    finally:
        running.stop()
    shutil.rmtree(folder, ignore_errors=True)
    print("\n" + results.table())
    if not args.only:
        args.output.write_text(results.page())
        print(f"written: {args.output}")


def measure(setup, scenarios, wanted, rounds, running, folder, results):
    """Starts the peers for one setup, and measures what is wanted of it."""
    home = folder / setup.name.replace(" ", "-")
    home.mkdir()
    for name in ("cert.pem", "key.pem"):
        shutil.copy(folder / name, home / name)
    names = {peer for scenario in scenarios for peer in scenario.peers} or set(PEERS)
    proxies = [make(home / name, setup, running.addresses) for name, make in PEERS.items() if name in names]
    base = setup.name == "base"
    if base:
        # The same twice: what the method itself cannot tell apart.
        proxies.append(Haproxy(home / "haproxy-again", setup, running.addresses, "haproxy again"))
        results.peers = proxies[:3]
    try:
        for proxy in proxies:
            results.start(setup.name, proxy.name, proxy.start(), proxy.memory())
        for scenario in scenarios:
            results.lines.append(compare(scenario, proxies if scenario.name == "h1-64" else
                                         [p for p in proxies if p.name != "haproxy again"], rounds))
        if base:
            results.memory += [held(m, proxies[:3]) for m in MEMORY if m.name in wanted]
            if "reload" in wanted:
                results.reload = tail(proxies[0])
    finally:
        for proxy in proxies:
            proxy.stop()


if __name__ == "__main__":
    main()
