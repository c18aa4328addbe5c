"""What was measured, as text."""

import datetime
import statistics
from dataclasses import dataclass, field

import machine
import peers


@dataclass
class Line:
    """One scenario: the costs of each round, in nanoseconds a unit."""

    scenario: object
    rounds: list

    def ratios(self, name, to="haproxy"):
        return [costs[name] / costs[to] for costs in self.rounds if name in costs]

    def cost(self, name):
        return statistics.median(costs[name] for costs in self.rounds)

    def has(self, name):
        return name in self.rounds[0]

    def shown(self, name):
        ratios = self.ratios(name)
        if not ratios:
            return "–"
        return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"

    def text(self):
        parts = [f"{name} {self.cost(name) / 1000:.1f} us" for name in self.rounds[0]]
        again = f", haproxy again {self.shown('haproxy again')}" if self.has("haproxy again") else ""
        return f"{self.scenario.name}: lbd {self.shown('lbd')}{again}; " + ", ".join(parts)


@dataclass
class Results:
    """All of a run."""

    peers: list = field(default_factory=list)
    lines: list = field(default_factory=list)
    memory: list = field(default_factory=list)
    starts: dict = field(default_factory=dict)
    reload: tuple = None

    def start(self, setup, name, seconds, memory):
        self.starts[setup, name] = (seconds, memory)

    def table(self):
        rows = ["| scenario | aim | lbd : HAProxy | nginx : HAProxy | HAProxy | lbd | nginx |",
                "|---|---|---|---|---|---|---|"]
        for line in self.lines:
            cost = [f"{line.cost(n) / 1000:.1f} us" if line.has(n) else "–" for n in ("haproxy", "lbd", "nginx")]
            rows.append(f"| {line.scenario.what} | {line.scenario.target:.2f} | **{line.shown('lbd')}** | "
                        f"{line.shown('nginx')} | {' | '.join(cost)} |")
        return "\n".join(rows)

    def memory_table(self):
        rows = ["| what | aim | lbd | HAProxy | nginx |", "|---|---|---|---|---|"]
        for memory, found in self.memory:
            sizes = [f"{found[n] / 1024:.1f} KB" if n in found else "–" for n in ("lbd", "haproxy", "nginx")]
            rows.append(f"| {memory.what} | {memory.target / 1024:.0f} KB | {' | '.join(sizes)} |")
        return "\n".join(rows)

    def start_table(self):
        rows = ["| setup | lbd | HAProxy | nginx |", "|---|---|---|---|"]
        for setup in dict.fromkeys(setup for setup, _ in self.starts):
            cells = []
            for name in ("lbd", "haproxy", "nginx"):
                seconds, memory = self.starts.get((setup, name), (None, None))
                cells.append("–" if seconds is None else f"{seconds:.2f} s, {memory / 2**20:.0f} MB")
            rows.append(f"| {setup} | {' | '.join(cells)} |")
        return "\n".join(rows)

    def control(self):
        line = next((line for line in self.lines if line.has("haproxy again")), None)
        return line.shown("haproxy again") if line else "–"

    def page(self):
        today = datetime.date.today().isoformat()
        where = "\n".join(f"- {line}" for line in machine.description(self.peers))
        fairness = peers.__doc__.split("\n\n", 1)[1].strip().replace("What was chosen", "Chosen", 1)
        calm, edited = self.reload or ((0, 0, 0), (0, 0, 0))
        return f"""# Benchmarks

Written by `benches/compare/run` on {today}. Numbers belong to the machine that they were taken on; ratios travel
better. To repeat them, run that command in a clone: it takes less than 20 minutes and needs two cores.

{where}

## Processor time for a unit of work

Median of the rounds, with the lowest and highest in brackets; below 1 is cheaper than HAProxy. Load and servers run
on another core; rounds of the proxies alternate and change their order. HAProxy measured twice against itself in
the same rounds gives {self.control()}: differences smaller than that say nothing.

{self.table()}

## Memory of a connection that does nothing

{self.memory_table()}

## Start, and memory after it

From the start of the process until the first answer.

{self.start_table()}

## Reload

The file changes ten times while 32 connections ask. lbd answered (median, 99 %, 99.9 %) after {calm[0]}, {calm[1]},
{calm[2]} us in calm, and after {edited[0]}, {edited[1]}, {edited[2]} us meanwhile.

## What keeps it fair

{fairness}
"""
