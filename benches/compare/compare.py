"""lbd beside its peers. See `run`; the fairness choices stand in peers/__init__.py."""

import argparse
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import hotspots
import idle
import latency
import machine
import origins
import peers
import report
import rounds
import workers
from loads import HERE
from scenarios import MEMORY, ONE, SCENARIOS

ROOT = HERE.parents[1]
RESULTS = HERE / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
# Earlier runs that are told of.
RUNS = 3
EXTRAS = ("latency", "reload", "workers", "spread", "profile")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    known = [entry.name for entry in (*SCENARIOS, *MEMORY)] + list(EXTRAS)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=known, help="these scenarios; nothing is written")
    parser.add_argument("--peers", nargs="+", metavar="PEER", choices=list(peers.KINDS),
                        help="beside lbd [default: all that are there]")
    parser.add_argument("--quick", action="store_true", help="one round of each, a hundredth of the sticky entries; nothing is written")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each scenario [default: 5]")
    parser.add_argument("--seconds", type=int, default=1, help="of each proxy in each round [default: 1]")
    parser.add_argument("--list", action="store_true", help="print the scenarios")
    parser.add_argument("--page", action="store_true", help="write docs/benchmarks.md anew from results.json, no more")
    parser.add_argument("--output", type=Path, help="write the figures there too, whatever is measured")
    args = parser.parse_args()
    if args.quick:
        args.rounds = 1
        for scenario in SCENARIOS:
            scenario.entries //= 100
    args.wanted = set(args.only or known)
    args.known = known
    return args


class Stage:
    """Where proxies are made: folders, servers, what each kind's binary is."""

    def __init__(self, names):
        self.folder = Path(tempfile.mkdtemp(prefix="lbd-compare-"))
        origins.certificate(self.folder)
        self.running = origins.Running(self.folder)
        self.binaries = {name: found for name in names if (found := peers.binary(name))}
        self.count = 0
        self.versions = {name: peers.KINDS[name][0].version(found) for name, found in self.binaries.items()}

    def make(self, kind, setup, name=None):
        self.count += 1
        name = name or kind
        folder = self.folder / f"{self.count}-{name.replace(' ', '-')}"
        return peers.KINDS[kind][0](name, self.binaries[kind], folder, setup, self.running.addresses)

    def relay(self, floor, setup):
        self.count += 1
        folder = self.folder / f"{self.count}-relay"
        return peers.Relay("floor", os.environ["RELAY_BIN"], folder, replace(setup, floor=floor), self.running.addresses)

    def all(self, setup):
        """One of each kind that can do this."""
        return [self.make(kind, setup) for kind in self.binaries if peers.KINDS[kind][0].does(setup)]

    def close(self):
        self.running.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def commit():
    """Of the sources, as far as git is there to ask."""
    try:
        done = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def main():
    # So that an end from outside ends the proxies and servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    args = arguments()
    if args.list:
        print("\n".join(args.known))
        return
    if args.page:
        PAGE.write_text(report.page(json.loads(RESULTS.read_text())))
        return
    if machine.description()["cores"] < 2:
        sys.exit("two cores are needed: one for the proxy, one for load and servers")
    chosen = ["lbd", *args.peers] if args.peers else peers.KINDS
    began, stage = time.monotonic(), Stage(dict.fromkeys(chosen))
    results = {
        "date": datetime.date.today().isoformat(), "commit": commit(), "machine": machine.description(), "versions": stage.versions,
        "binary": Path(stage.binaries["lbd"]).stat().st_size, "rounds": args.rounds, "seconds": args.seconds,
        "starts": [], "scenarios": [], "memory": [], "profile": {},
    }
    try:
        measure(stage, args, results)
    finally:
        stage.close()
    results["took"] = round(time.monotonic() - began)
    print("\n" + report.tables(results))
    print(f"\n{results['took']} s")
    if args.output:
        args.output.write_text(json.dumps(results, indent=1) + "\n")
    if not args.only and not args.quick:
        last = json.loads(RESULTS.read_text())
        results["before"] = [*last.get("before", []), report.summary(last)][-RUNS:]
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        PAGE.write_text(report.page(results))
        print(f"written: {RESULTS.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}")


def measure(stage, args, results):
    """Everything that is wanted, one setup after the other."""
    profile = "profile" in args.wanted and hotspots.able()
    for memory in (memory for memory in MEMORY if memory.name in args.wanted):
        results["memory"].append(idle.held(memory, lambda: stage.all(ONE)))
        print(report.memory_line(results["memory"][-1]), flush=True)
    for setup in dict.fromkeys(scenario.setup for scenario in SCENARIOS):
        scenarios = [scenario for scenario in SCENARIOS if scenario.setup == setup]
        named = [scenario for scenario in scenarios if scenario.name in args.wanted]
        extras = {"latency", "reload"} & args.wanted if setup == ONE else set()
        if named or extras or profile and args.only and len(args.only) == 1:
            one_setup(stage, args, results, (setup, named, extras, profile, scenarios))
    if {"workers", "spread"} & args.wanted:
        two_workers(stage, args, results)


class Cast:
    """Who takes part in the scenarios of a setup: proxies that are started for them."""

    def __init__(self, stage, setup, scenarios, extras):
        self.proxies = stage.all(setup)
        self.again = stage.make("lbd", setup, "lbd again") if any(scenario.control for scenario in scenarios) else None
        self.besides = {
            beside: stage.make("lbd", beside, "lbd beside") for beside in {scenario.beside for scenario in scenarios} - {None}}
        floors = {scenario.floor for scenario in scenarios} | ({"requests"} if "latency" in extras else set())
        self.floors = {floor: stage.relay(floor, setup) for floor in floors - {""}}

    def everyone(self):
        return [*self.proxies, *filter(None, [self.again]), *self.besides.values(), *self.floors.values()]

    def start(self):
        """Starts all, and says how long each of the proxies took; who does not start takes no part."""
        for proxy in self.everyone():
            try:
                seconds = proxy.start()
            except RuntimeError as error:
                if proxy.name == "lbd":
                    raise
                print(error, flush=True)
                continue
            if proxy in self.proxies:
                yield {"setup": proxy.setup.name, "peer": proxy.name, "seconds": round(seconds, 3),
                       "resident": proxy.resident()}
        self.proxies = [proxy for proxy in self.proxies if proxy.process.poll() is None]

    def part(self, scenario):
        extra = [self.again if scenario.control else None, self.besides.get(scenario.beside),
                 self.floors.get(scenario.floor)]
        return self.proxies + [proxy for proxy in extra if proxy and proxy.process.poll() is None]

    def stop(self):
        for proxy in self.everyone():
            proxy.stop()


def one_setup(stage, args, results, what):
    """The scenarios of a setup."""
    setup, named, extras, profile, scenarios = what
    cast = Cast(stage, setup, named if named else scenarios[:1], extras)
    try:
        results["starts"] += cast.start()
        for scenario in named:
            results["scenarios"].append(rounds.compare(scenario, cast.part(scenario), args.rounds, args.seconds))
            print(report.line(results["scenarios"][-1]), flush=True)
        for scenario in (named or scenarios) if profile else ():
            results["profile"][scenario.name] = hotspots.sampled(scenario, cast.proxies[0], stage.folder)
        if "latency" in extras:
            results["latency"] = latency.added(
                [proxy for proxy in cast.proxies if not proxy.seldom], cast.floors["requests"], stage.running.addresses.http, 2 * min(args.rounds, 5))
            print(report.latency_line(results["latency"]), flush=True)
        if "reload" in extras:
            results["reload"] = latency.reloads(cast.proxies[0], latency.half(cast.proxies[:1], 2), args.rounds)
            print(report.reload_line(results["reload"]), flush=True)
        for proxy in cast.proxies:
            if proxy.entries:
                results["starts"].append({"setup": f"{setup.name}, {proxy.entries:,} entries", "peer": proxy.name,
                                          "seconds": None, "resident": proxy.resident()})
    finally:
        cast.stop()


def two_workers(stage, args, results):
    """What needs more than one worker."""
    setups = [
        replace(ONE, name="one worker", cores=machine.PROXY_CORE),
        replace(ONE, name="one worker on the other core", cores=machine.LOAD_CORE),
        replace(ONE, name="two workers", cores=machine.BOTH_CORES, workers=2),
    ]
    kinds = [kind for kind in stage.binaries
             if kind == "lbd" or "workers" in args.wanted and not peers.KINDS[kind][0].seldom]
    threes = [[stage.make(kind, setup) for setup in setups] for kind in kinds]
    everyone = [proxy for three in threes for proxy in three]
    try:
        for proxy in everyone:
            proxy.start()
        if "workers" in args.wanted:
            results["workers"] = workers.scaling(threes, args.rounds, args.seconds)
            print(report.workers_line(results["workers"]), flush=True)
        if "spread" in args.wanted:
            results["spread"] = workers.spread(threes[0][2])
            print(report.spread_line(results["spread"]), flush=True)
    finally:
        for proxy in everyone:
            proxy.stop()


if __name__ == "__main__":
    main()
