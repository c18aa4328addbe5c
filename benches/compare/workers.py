"""Two workers: what they can do beside one, and how connections fall on them.

Two workers need two cores, and load and servers need others. So that two cores suffice, what is taken is the processor
time that a request costs the proxy; load and servers are on one of its cores and not counted. What a request costs one
process with two workers, each bound to a core, is compared with what it costs two processes with one worker each, on the
one core and on the other: their sum, divided by the cost with two workers, is by how much two workers do more than one
when each has a core for itself.
"""

import os
import statistics

from latency import Pace, half
from loads import Void, wrk
from machine import BOTH_CORES, threads


def cost(proxy, seconds):
    """Processor time of a request, all workers, load and servers on the same cores."""
    before = proxy.cpu_ns()
    units = wrk(64)(proxy, seconds)
    return (proxy.cpu_ns() - before) / units


def bind(proxy):
    """Binds the two busiest threads to a core each: the workers."""
    spent = threads(proxy.process.pid)
    busiest = sorted(spent, key=spent.get)[-2:]
    for thread, core in zip(busiest, BOTH_CORES.split(","), strict=True):
        os.sched_setaffinity(int(thread), {int(core)})


def scaling(threes, rounds, seconds):
    """By how much two workers do more than one; of each kind one worker, one on the other core, and two."""
    found, void = {}, {}
    for here, there, two in threes:
        try:
            for proxy in (here, there, two):
                cost(proxy, 1)
            bind(two)
            turns = [[cost(proxy, seconds) for proxy in (here, there, two)] for _ in range(rounds)]
            found[two.name] = [round((one + other) / both, 3) for one, other, both in turns]
        except (Void, OSError) as error:
            void[two.name] = str(error)
    return {"target": 1.8, "times": found, "void": void}


def spread(lbd, trials=12, connections=16):
    """How uneven connections fall on two workers, and what that does to the slowest answers."""
    rate, found = half([lbd], 1), []
    for _ in range(trials):
        before = threads(lbd.process.pid)
        times = Pace(lbd.plain, rate, 1, BOTH_CORES, connections).times()
        spent = sorted((now - before.get(tid, 0) for tid, now in threads(lbd.process.pid).items()), reverse=True)
        found.append({"busier": round(spent[0] / (spent[0] + spent[1]), 3), "p99": times["p99"]})
    found.sort(key=lambda trial: trial["busier"])
    third = max(trials // 3, 1)

    def p99(some):
        return round(statistics.median(trial["p99"] for trial in some), 1)

    return {
        "connections": connections, "rate": round(rate), "trials": found,
        "even_p99": p99(found[:third]), "uneven_p99": p99(found[-third:]), "target": 1.10,
    }
