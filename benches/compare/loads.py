"""What clients do. Each load runs against one proxy for some seconds and says how many units of work were done."""

import re
import subprocess
import sys
from pathlib import Path

from machine import LOAD_CORE, pinned

HERE = Path(__file__).parent
BROWSER = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: http://127.0.0.1/index.html",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Cache-Control: max-age=0",
    "Cookie: theme=dark; JSESSIONID=0A1B2C3D4E5F60718293A4B5C6D7E8F9; lang=en",
]


def output(command, seconds):
    done = subprocess.run(
        pinned(LOAD_CORE, command), capture_output=True, text=True, timeout=seconds + 60, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def wrk(connections, path="/1k", headers=(), secure=False, script=None):
    """wrk: as many requests as go."""

    def run(proxy, seconds, extra=()):
        base = f"https://127.0.0.1:{proxy.secure}" if secure else f"http://127.0.0.1:{proxy.plain}"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
        command += [f"-H{header}" for header in (*headers, *extra)]
        if script:
            command += ["-s", HERE / script]
        text = output([*command, base + path], seconds)
        if "Non-2xx" in text:
            raise RuntimeError(f"{proxy.name}: {text}")
        return int(re.search(r"(\d+) requests in", text)[1])

    return run


def sticky(connections):
    """As wrk, with the cookie that the proxy gives."""
    load = wrk(connections)

    def run(proxy, seconds):
        head = output(["curl", "-sS", "-D-", "-o/dev/null", f"http://127.0.0.1:{proxy.plain}/1k"], 5)
        cookie = re.search(r"(?im)^set-cookie: (SRV=[^;\r]+)", head)
        if not cookie:
            raise RuntimeError(f"{proxy.name} gives no cookie: {head}")
        return load(proxy, seconds, [f"Cookie: theme=dark; {cookie[1]}; lang=en"])

    return run


def routed(connections, routes):
    """As wrk, for a path of the last of many routes."""
    return wrk(connections, path=f"/route-{routes - 1}/1k")


def h2load(connections, streams):
    def run(proxy, seconds):
        url = f"https://127.0.0.1:{proxy.secure}/1k"
        text = output(["h2load", f"-c{connections}", f"-m{streams}", f"-D{seconds}", url], seconds)
        numbers = re.search(r"requests: .* (\d+) succeeded, (\d+) failed", text)
        if not numbers or int(numbers[2]):
            raise RuntimeError(f"{proxy.name}: {text}")
        return int(numbers[1])

    return run


def own(program, verb, port_of, *numbers):
    """One of the programs beside this file."""

    def run(proxy, seconds):
        command = [sys.executable, HERE / program, verb, port_of(proxy), *numbers, seconds]
        return int(output(command, seconds))

    return run


def plain(proxy):
    return proxy.plain


def secure(proxy):
    return proxy.secure


class Held:
    """Connections that are held while something is measured."""

    def __init__(self, program, verb, port, count):
        command = pinned(LOAD_CORE, [sys.executable, HERE / program, verb, port, count])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "open":
            raise RuntimeError(f"{program} {verb} could not open {count} connections")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()
