"""Two workers: what they can do beside one, and how connections fall on them.

Two workers need two cores, and load and servers need others. So that two cores suffice, what is taken is the
processor time that a request costs the proxy, with load and servers beside it on the same cores and not counted: twice
the cost with one worker, divided by the cost with two, is by how much two do more when each has a core for itself.
"""

import statistics

from latency import Pace, half
from loads import Void, wrk
from machine import BOTH_CORES, threads


def cost(proxy, seconds):
    """Processor time of a request, all workers, load and servers on the same cores."""
    before = proxy.cpu_ns()
    units = wrk(64)(proxy, seconds)
    return (proxy.cpu_ns() - before) / units


def scaling(pairs, rounds, seconds):
    """By how much two workers do more than one; `pairs` are of one kind with one worker and with two."""
    found, void = {}, {}
    for one, two in pairs:
        try:
            cost(one, 1), cost(two, 1)
            turns = [(cost(one, seconds), cost(two, seconds)) for _ in range(rounds)]
            found[one.name] = [round(2 * alone / both, 3) for alone, both in turns]
        except Void as error:
            void[one.name] = str(error)
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
