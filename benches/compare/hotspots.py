"""Where lbd's time goes in a scenario, by function, the kernel's part too: sampled by `perf`, where that may run."""

import re
import shutil
import subprocess

from loads import Void

MOST = 12


def able():
    """Whether perf may sample here."""
    if not shutil.which("perf"):
        return False
    done = subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-o", "/dev/null", "--", "true"],
                          capture_output=True, timeout=20, check=False)
    return done.returncode == 0


def shortened(symbol):
    """A name that fits a table: no crate hashes, no types of types."""
    symbol = re.sub(r"::h[0-9a-f]{16}$", "", symbol)
    while (bare := re.sub(r"<[^<>]*>", "", symbol)) != symbol:
        symbol = bare
    return re.sub(r"(::)?\{\{closure\}\}", "{}", symbol).strip(":")[:70]


def sampled(scenario, proxy, folder):
    """Shares of lbd's time in percent: of the kernel as a whole, and of the first functions."""
    data = folder / "perf.data"
    recorder = subprocess.Popen(
        ["perf", "record", "-q", "-e", "cpu-clock", "-F", "1999", "-o", str(data), "-p", str(proxy.process.pid),
         "--", "sleep", "1.5"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        scenario.load(proxy, 3)
    except (Void, RuntimeError, OSError):
        return None
    finally:
        recorder.wait(30)
    report = subprocess.run(
        ["perf", "report", "-i", str(data), "--stdio", "--no-children", "-g", "none", "--sort", "symbol", "-w", "0"],
        capture_output=True, text=True, timeout=120, check=False).stdout
    data.unlink(missing_ok=True)
    rows = re.findall(r"(?m)^\s*(\d+\.\d+)%\s+\[(.)\]\s+(.+?)(?:\s+-\s+-)?\s*$", report)
    if not rows:
        return None
    nameless = sum(float(share) for share, where, name in rows if where != "k" and name.startswith("0x"))
    kernel = sum(float(share) for share, where, _ in rows if where == "k")
    own = [[shortened(name), float(share)] for share, where, name in rows if where != "k" and not name.startswith("0x")]
    return {
        "kernel": round(kernel, 1),
        "nameless": round(nameless, 1),
        "user": own[:MOST],
        "first_of_kernel": [[name, float(share)] for share, where, name in rows if where == "k"][:5],
    }
