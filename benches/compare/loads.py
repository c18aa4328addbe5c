"""What clients do. Each load runs against one proxy for some seconds and says how many units of work were done."""

import json
import os
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


class Void(Exception):
    """What was measured says nothing, and why."""


def output(command, seconds):
    done = subprocess.run(
        pinned(LOAD_CORE, command), capture_output=True, text=True, timeout=seconds + 120, check=False)
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()
        raise Void(f"{Path(str(command[0])).name} failed: {last[-1] if last else done.returncode}")
    return done.stdout


def wrk(connections, path="/1k", headers=(), secure=False, script=(), size=0):
    """wrk: as many requests as go. With a size, parts of an answer count as parts of a unit."""

    def run(proxy, seconds, extra=(), script=script):
        base = f"https://127.0.0.1:{proxy.secure}" if secure else f"http://127.0.0.1:{proxy.plain}"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", HERE / "load.lua"]
        command += [f"-H{header}" for header in (*headers, *extra)]
        text = output([*command, base + path, "--", *script], seconds)
        counts = {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", text)}
        if wrong := [f"{counts[kind]} {kind}" for kind in ("connect", "read", "write", "status", "timeout")
                     if counts[kind]]:
            raise Void("errors: " + ", ".join(wrong))
        return counts["bytes"] / size if size else counts["requests"]

    return run


def sticky(connections):
    """As wrk, with the cookie that the proxy gives; a relay gives none, and gets one that is as long."""
    load = wrk(connections)

    def run(proxy, seconds):
        if not proxy.sticky:
            return load(proxy, seconds, [f"Cookie: theme=dark; SRV={'0' * 64}; lang=en"])
        head = output(["curl", "-sS", "-D-", "-o/dev/null", f"http://127.0.0.1:{proxy.plain}/1k"], 5)
        cookie = re.search(r"(?im)^set-cookie: (SRV=[^;\r]+)", head)
        if not cookie:
            raise Void("no cookie came")
        return load(proxy, seconds, [f"Cookie: theme=dark; {cookie[1]}; lang=en"])

    return run


def sessions(connections):
    """As wrk, each request of one of the sessions that the proxy remembers."""
    load = wrk(connections)

    def run(proxy, seconds):
        return load(proxy, seconds, script=("sessions", max(proxy.entries, 1)))

    return run


def fill(proxy, entries):
    """Makes a proxy remember so many sessions."""
    text = output([os.environ["PACE_BIN"], "fill", proxy.plain, 64, entries], 600)
    if json.loads(text)["errors"]:
        raise Void(f"it could not be filled: {text}")
    proxy.entries = entries


def h2load(connections, streams):
    def run(proxy, seconds):
        url = f"https://127.0.0.1:{proxy.secure}/1k"
        text = output(["h2load", f"-c{connections}", f"-m{streams}", f"-D{seconds}", url], seconds)
        numbers = re.search(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
        if not numbers or any(int(number) for number in numbers.groups()[1:]):
            raise Void(f"errors: {numbers[0] if numbers else 'no requests'}")
        if "h2" not in (re.search(r"Application protocol: (\S+)", text) or " ")[0]:
            raise Void("it does not speak HTTP/2")
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
            self.process.kill()
            raise Void(f"{count} connections could not be opened")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()
