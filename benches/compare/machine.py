"""What this machine is, and what its processes cost: processor time in nanoseconds, memory in bytes."""

import os
import platform
import socket
from pathlib import Path

PROXY_CORE = "0"
LOAD_CORE = "1"
BOTH_CORES = "0,1"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pinned(cores, command):
    """The command, on these cores."""
    return ["taskset", "-c", cores, *map(str, command)]


def family(pid):
    """A process and all that descend from it."""
    pids, seen = [pid], []
    while pids:
        current = pids.pop()
        seen.append(current)
        for children in Path(f"/proc/{current}/task").glob("*/children"):
            try:
                pids += [int(child) for child in children.read_text().split()]
            except OSError:
                pass
    return seen


def threads(pid):
    """Time on a core of each thread of a process and its children, as the scheduler counts it."""
    found = {}
    for member in family(pid):
        for stat in Path(f"/proc/{member}/task").glob("*/schedstat"):
            try:
                found[stat.parent.name] = int(stat.read_text().split()[0])
            except OSError:
                pass
    return found


def cpu_ns(pid):
    return sum(threads(pid).values())


def sizes(pid, field):
    total = 0
    for member in family(pid):
        try:
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith(field):
                    total += int(line.split()[1]) * 1024
        except OSError:
            pass
    return total


def anonymous(pid):
    """What a process and its children hold themselves: not what they map from files."""
    return sizes(pid, "Anonymous:")


def resident(pid):
    """What of them is in memory; what several share is counted once."""
    return sizes(pid, "Pss:")


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def description():
    """What a reader may know of this machine: no name, no path."""
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_kb / 1024 / 1024),
        "kernel": platform.release().split("-")[0],
    }
