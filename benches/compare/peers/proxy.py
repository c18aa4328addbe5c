"""A proxy as the comparison sees it: what it is configured for, started, stopped, weighed."""

import os
import re
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from machine import PROXY_CORE, anonymous, cpu_ns, free_port, pinned, resident


@dataclass(frozen=True)
class Setup:
    """What a proxy is configured for."""

    name: str = "one route"
    routes: int = 1
    servers: int = 1
    # "cookie": the proxy's own; "table": by a field, remembered for each client
    sticky: str = ""
    access_log: bool = False
    workers: int = 1
    cores: str = PROXY_CORE
    # What `Relay` passes on; a proxy has no use for it.
    floor: str = ""


@dataclass
class Origins:
    """Where the servers are."""

    http: int
    websocket: int

    def address(self, number):
        """Server `number`; the whole of 127.0.0.0/8 is this machine."""
        return f"127.0.0.{number + 1}:{self.http}"

    def addresses(self, count):
        return [self.address(number) for number in range(count)]


@dataclass
class Proxy:
    """A proxy that runs."""

    name: str
    binary: str
    folder: Path
    setup: Setup
    origins: Origins
    plain: int = 0
    secure: int = 0
    # How many sticky entries were put into it.
    entries: int = 0
    process: subprocess.Popen = None
    environment: dict = field(default_factory=dict)

    # What `Setup.sticky` it can do.
    sticky = ()
    version_of = ("--version",)
    # Whether it takes part in one round of four only, to save time.
    seldom = False

    def __post_init__(self):
        self.plain, self.secure = free_port(), free_port()
        self.folder.mkdir(parents=True, exist_ok=True)

    def command(self):
        """Writes what it needs, and says how it is started."""
        raise NotImplementedError

    @classmethod
    def does(cls, setup):
        return not setup.sticky or setup.sticky in cls.sticky

    @classmethod
    def version(cls, binary):
        done = subprocess.run([binary, *cls.version_of], capture_output=True, text=True, timeout=20, check=False)
        found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
        return found[0] if found else ""

    def certificate(self):
        return self.folder.parent / "cert.pem", self.folder.parent / "key.pem"

    def start(self):
        """Starts it, waits until it serves, and says how long that took in seconds."""
        command = self.command()
        log = (self.folder / "log").open("w")
        began = time.monotonic()
        self.process = subprocess.Popen(
            pinned(self.setup.cores, command), stdout=log, stderr=log, env={**os.environ, **self.environment})
        while time.monotonic() < began + 60 and self.process.poll() is None:
            if self.serves():
                return time.monotonic() - began
            time.sleep(0.005)
        self.stop()
        raise RuntimeError(f"{self.name} does not serve; see {self.folder}/log")

    def serves(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.plain}/1k", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)

    def cpu_ns(self):
        return cpu_ns(self.process.pid)

    def anonymous(self):
        return anonymous(self.process.pid)

    def resident(self):
        return resident(self.process.pid)
