"""Counts what lbd does for a unit of work, and compares it with the budgets. See `run`."""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "compare"))

import counts  # noqa: E402
import origins  # noqa: E402 # the same servers and loads as in the comparison

BUDGETS = HERE / "budgets.json"


class Limit:
    """How far above its budget a count may be: a share of it, and a part of one."""

    def __init__(self, share, part):
        self.share, self.part = share, part

    def of(self, budget):
        return budget * (1 + self.share) + self.part


# Three in a hundred, and what a connection or a tick of a clock does, spread over the units: one more for each unit is
# far above it. Wider where repeats on one machine, idle and busy, were found to differ by themselves (see `run`).
LIMITS = {
    "instructions": Limit(0.03, 0),
    "allocations": Limit(0.0, 0.2),
    "syscalls": Limit(0.03, 0.15),
}
WIDER = {
    # How many frames come at once is the generator's doing: repeats lie up to 1 % apart.
    ("h2", "instructions"): Limit(0.05, 0),
    ("h2", "allocations"): Limit(0.0, 0.4),
    ("ws", "instructions"): Limit(0.05, 0),
}


def limit(name, what):
    return WIDER.get((name, what), LIMITS[what])


def count(folder, names=tuple(counts.SCENARIOS), added=None):
    """All counts, by scenario."""
    home = Path(tempfile.mkdtemp(dir=folder))
    origins.certificate(home)
    running = origins.Running(home)
    environment = {"LD_PRELOAD": str(folder / "added.so"), "ADDED": added} if added is not None else {}
    try:
        found = counts.callgrind(home, running.addresses, names, environment)
        for name, calls in counts.strace(home, running.addresses, names, environment).items():
            found[name]["syscalls"] = calls
    finally:
        running.stop()
    return {name: {what: round(value, 2) for what, value in values.items()} for name, values in found.items()}


def over(found, budgets):
    """What exceeds its budget, as (scenario, what); prints each."""
    exceeded = []
    for name, values in found.items():
        for what, value in values.items():
            budget = budgets.get(name, {}).get(what)
            most = None if budget is None else limit(name, what).of(budget)
            if most is None or value > most:
                exceeded.append((name, what))
            word = "OVER" if (name, what) in exceeded else "ok  "
            least = "" if most is None else f", at most {most:.2f}"
            print(f"{word} {name} {what} {value:.2f}, budget {budget}{least}", flush=True)
    return exceeded


def record(folder, repeats):
    """The median of some counts, as the new budgets; and how far they lie apart."""
    runs = [count(folder) for _ in range(repeats)]
    budgets = {}
    for name, values in runs[0].items():
        budgets[name] = {}
        for what in values:
            all_of_them = [run[name][what] for run in runs]
            middle = statistics.median(all_of_them)
            budgets[name][what] = round(middle) if what == "instructions" else round(middle, 2)
            low, high = min(all_of_them), max(all_of_them)
            print(f"{name} {what} {middle:.2f}, {low:.2f} to {high:.2f}"
                  + (f", {(high / low - 1) * 100:.2f} % apart" if low else ""), flush=True)
    return budgets


def prove(folder):
    """What is counted without an addition, taken as the budget, is to be exceeded with one in each request."""
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", folder / "added.so", HERE / "added.c", "-ldl"], check=True)
    plain = count(folder, ("h1",), "")
    print(f"-- nothing added: {plain['h1']}", flush=True)
    for added, expected in (("allocation", "allocations"), ("syscall", "syscalls")):
        print(f"-- added to each request: one {added}", flush=True)
        if ("h1", expected) not in over(count(folder, ("h1",), added), plain):
            sys.exit(f"the guards did not notice an added {added}")
    print("the guards notice an added allocation and an added system call")


def train(folder):
    """The loads without an instrument."""
    origins.certificate(folder)
    running = origins.Running(folder)
    try:
        counts.train(folder, running.addresses)
    finally:
        running.stop()


def main():
    # So that an end from outside ends the proxies and servers too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write what is counted as the new budgets")
    parser.add_argument("--repeats", type=int, default=3, help="with --record: counts to take the median of [default: 3]")
    parser.add_argument("--show", action="store_true", help="count, print the spread of the repeats, write nothing")
    parser.add_argument("--prove", action="store_true", help="only show that an addition is noticed")
    parser.add_argument("--train", action="store_true", help="only run the loads, for packaging/pgo")
    args = parser.parse_args()
    if not args.train and "avx2" not in Path("/proc/cpuinfo").read_text():
        print("skipped: the budgets were counted with AVX2, which this processor does not have")
        return
    budgets = json.loads(BUDGETS.read_text())
    folder = Path(tempfile.mkdtemp(prefix="lbd-guards-"))
    try:
        if args.train:
            train(folder)
        elif args.prove:
            prove(folder)
        elif args.record or args.show:
            recorded = record(folder, args.repeats)
            if args.record:
                BUDGETS.write_text(json.dumps(recorded, indent=2) + "\n")
        elif over(count(folder), budgets):
            sys.exit("a budget is exceeded: mend it, or record why it is worth it (benches/guards/run --record)")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
