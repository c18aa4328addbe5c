"""How long answers take when nobody hurries: at half of what the slowest of the proxies can do, and during reloads."""

import json
import os
import statistics
import subprocess
import time

from loads import Void
from machine import LOAD_CORE, pinned

CONNECTIONS = 32


class Pace:
    """Requests at a steady rate, in the background; or as many as go."""

    def __init__(self, port, rate, seconds, cores=LOAD_CORE, connections=CONNECTIONS):
        """Without a rate as many as go: the next when the answer to the one before is there."""
        self.seconds = seconds
        how = ["steady", port, connections, round(rate)] if rate else ["most", port, connections]
        command = [os.environ["PACE_BIN"], *how, seconds]
        self.process = subprocess.Popen(
            pinned(cores, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def times(self):
        """Microseconds by share; `count` says how many."""
        try:
            out, errors = self.process.communicate(timeout=self.seconds + 60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise Void("it did not end") from None
        if self.process.returncode:
            raise Void(errors.strip() or "it failed")
        found = json.loads(out)
        if found["errors"]:
            raise Void(f"{found['errors']} errors {errors.strip()[:80]}")
        return found


def median(rounds):
    return {share: round(statistics.median(one[share] for one in rounds), 1) for share in ("p50", "p99", "p999")}


def half(proxies, seconds):
    """Half of what each can do alone under this very load, the least of them."""
    return min(Pace(proxy.plain, None, seconds).times()["count"] / seconds for proxy in proxies) / 2


def added(proxies, floor, origin, rounds):
    """The same rate straight to a server and through each proxy, in turn; and through a relay."""
    rate = half(proxies, 2)
    ports = {"direct": origin, **{proxy.name: proxy.plain for proxy in (floor, *proxies)}}
    found, void = {name: [] for name in ports}, {}
    for number in range(rounds):
        names = list(ports) if number % 2 == 0 else list(ports)[::-1]
        for name in names:
            if name in void:
                continue
            try:
                found[name].append(Pace(ports[name], rate, 1).times())
            except Void as error:
                void[name] = str(error)
    return {
        "rate": round(rate), "connections": CONNECTIONS, "void": void,
        "times": {name: median(times) for name, times in found.items() if times and name not in void},
    }


def reloads(lbd, rate, rounds, edits=10, seconds=3):
    """lbd's answers in calm, while its file changes so many times, and in calm again: what the method cannot tell apart."""

    def measure(changes):
        load = Pace(lbd.plain, rate, seconds)
        for number in range(changes):
            time.sleep((seconds - 1) / changes)
            lbd.config.write_text(lbd.text() + f'route "/edit-{number}" {{ respond 204 }}\n')
        return load.times()

    changes, found = {"calm": 0, "edited": edits, "again": 0}, {"calm": [], "edited": [], "again": []}
    for number in range(rounds):
        for name in changes if number % 2 == 0 else reversed(changes):
            found[name].append(measure(changes[name]))
    return {
        "rate": round(rate), "edits": edits, "rounds": rounds, "target": 1.1,
        **{name: median(times) for name, times in found.items()},
    }
