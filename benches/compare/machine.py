"""What this machine is, and what its processes cost: processor time in nanoseconds, memory in bytes."""

import os
import platform
import socket
import subprocess
from pathlib import Path

PROXY_CORE = 0
LOAD_CORE = 1


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pinned(core, command):
    """The command, on one core."""
    return ["taskset", "-c", str(core), *map(str, command)]


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


def cpu_ns(pid):
    """Time on a core of a process and its children, all threads, as the scheduler counts it."""
    total = 0
    for member in family(pid):
        for stat in Path(f"/proc/{member}/task").glob("*/schedstat"):
            try:
                total += int(stat.read_text().split()[0])
            except OSError:
                pass
    return total


def memory(pid):
    """Anonymous memory of a process and its children: what it holds, not what it shares or maps."""
    total = 0
    for member in family(pid):
        try:
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Anonymous:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            pass
    return total


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return "not found"
    return ((done.stdout + done.stderr).strip().splitlines() or ["?"])[0]


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def description(peers):
    """Lines for the report: this machine and what ran on it."""
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    lines = [
        f"{processor()}, {os.cpu_count()} cores, {memory_kb // 1024 // 1024} GiB, Linux {platform.release()}",
    ]
    lines += [first_line(peer.version) for peer in peers]
    lines += [first_line(["wrk", "-v"]), first_line(["h2load", "--version"]), first_line(["openssl", "version"])]
    return lines
