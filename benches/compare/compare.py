"""lbd beside its peers. See `run`; the fairness choices stand in peers/__init__.py."""

import argparse
import datetime
import json
import shutil
import signal
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
EXTRAS = ("latency", "reload", "workers", "spread", "profile")
USUAL = ("lbd", "haproxy", "haproxy-new", "nginx")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    known = [entry.name for entry in (*SCENARIOS, *MEMORY)] + list(EXTRAS)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=known, help="these scenarios; nothing is written")
    parser.add_argument("--peers", nargs="+", metavar="PEER", choices=[*peers.KINDS, "all"],
                        help=f"beside lbd, of {', '.join(peers.KINDS)}, or all [default: {' '.join(USUAL[1:])}, "
                             "those that are there]")
    parser.add_argument("--quick", action="store_true", help="one round of each, a hundredth of the sticky entries; nothing is written")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each scenario [default: 7]")
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

    def all(self, setup):
        """One of each kind that can do this."""
        return [self.make(kind, setup) for kind in self.binaries if peers.KINDS[kind][0].does(setup)]

    def close(self):
        self.running.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


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
    chosen = list(peers.KINDS) if args.peers == ["all"] else ["lbd", *args.peers] if args.peers else USUAL
    began, stage = time.monotonic(), Stage(dict.fromkeys(chosen))
    results = {
        "date": datetime.date.today().isoformat(), "machine": machine.description(), "versions": stage.versions,
        "binary": Path(stage.binaries["lbd"]).stat().st_size, "rounds": args.rounds, "seconds": args.seconds, "starts": [], "scenarios": [], "memory": [], "profile": {},
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


def one_setup(stage, args, results, what):
    """The scenarios of a setup, by proxies that are started for them."""
    setup, named, extras, profile, scenarios = what
    proxies = stage.all(setup)
    again = stage.make("lbd", setup, "lbd again") if any(scenario.control for scenario in named) else None
    besides = {scenario.beside: stage.make("lbd", scenario.beside, "lbd beside") for scenario in named if scenario.beside}
    everyone = [*proxies, *filter(None, [again]), *besides.values()]
    try:
        for proxy in everyone:
            try:
                seconds = proxy.start()
            except RuntimeError as error:
                if proxy.name == "lbd":
                    raise
                print(error, flush=True)
                continue
            if proxy in proxies:
                results["starts"].append({"setup": setup.name, "peer": proxy.name, "seconds": round(seconds, 3),
                                          "resident": proxy.resident()})
        alive = [proxy for proxy in everyone if proxy.process.poll() is None]
        for scenario in named:
            part = [proxy for proxy in alive if proxy in proxies or proxy is again and scenario.control
                    or scenario.beside and proxy is besides[scenario.beside]]
            results["scenarios"].append(rounds.compare(scenario, part, args.rounds, args.seconds))
            print(report.line(results["scenarios"][-1]), flush=True)
        for scenario in (named or scenarios) if profile else ():
            results["profile"][scenario.name] = hotspots.sampled(scenario, proxies[0], stage.folder)
        if "latency" in extras:
            results["latency"] = latency.added(
                [p for p in alive if p in proxies], stage.running.addresses.http, min(args.rounds, 5))
            print(report.latency_line(results["latency"]), flush=True)
        if "reload" in extras:
            results["reload"] = latency.reloads(proxies[0], latency.half(proxies[:1], 2))
            print(report.reload_line(results["reload"]), flush=True)
        for proxy in proxies:
            if proxy.entries:
                results["starts"].append({"setup": f"{setup.name}, {proxy.entries:,} entries", "peer": proxy.name,
                                          "seconds": None, "resident": proxy.resident()})
    finally:
        for proxy in everyone:
            proxy.stop()


def two_workers(stage, args, results):
    """What needs more than one worker."""
    setups = [
        replace(ONE, name="one worker", cores=machine.PROXY_CORE),
        replace(ONE, name="one worker on the other core", cores=machine.LOAD_CORE),
        replace(ONE, name="two workers", cores=machine.BOTH_CORES, workers=2),
    ]
    kinds = [kind for kind in stage.binaries if kind == "lbd" or "workers" in args.wanted]
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
