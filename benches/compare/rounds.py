"""Rounds of a scenario: each proxy does the same for a while, in turn, and its processor time is taken."""

import time

import loads
from loads import Void


def once(scenario, proxy, seconds):
    """What a unit of work costs this proxy, in nanoseconds, and how busy it was."""
    before, began = proxy.cpu_ns(), time.monotonic()
    units = scenario.load(proxy, seconds)
    spent, took = proxy.cpu_ns() - before, time.monotonic() - began
    if not units:
        raise Void("nothing was done")
    return {"ns": round(spent / units, 1), "units": round(units, 1), "busy": round(spent / took / 1e9, 3)}


def compare(scenario, proxies, count, seconds):
    """All rounds of a scenario. A proxy with an error is shown as void, and takes no further part."""
    void, rounds = {}, []

    def turn(proxy, work):
        try:
            return work()
        except (Void, RuntimeError, ValueError, OSError) as error:
            void[proxy.name] = str(error)
            return None

    for proxy in proxies:
        if entries := scenario.few if proxy.name == "lbd beside" else scenario.entries:
            turn(proxy, lambda: loads.fill(proxy, entries))
        if proxy.name not in void:
            turn(proxy, lambda: scenario.load(proxy, 1))
    for number in range(count):
        found = {}
        for proxy in proxies if number % 2 == 0 else proxies[::-1]:
            if not (proxy.seldom and number % 4) and proxy.name not in void and (cost := turn(proxy, lambda: once(scenario, proxy, seconds * scenario.longer))):
                found[proxy.name] = cost
        rounds.append(found)
    rounds = [{name: cost for name, cost in found.items() if name not in void} for found in rounds]
    return {
        "name": scenario.name, "what": scenario.what, "unit": scenario.unit, "target": scenario.target,
        "setup": scenario.setup.name, "beside": scenario.beside and scenario.beside.name,
        "growth": scenario.growth, "few": scenario.few, "floor": scenario.floor, "rounds": rounds, "void": void,
    }
