"""Autobahn's test suite through lbd: each case ends as it does without lbd.

The suite stands at both ends: its fuzzing client asks a plain echo server, and its fuzzing server asks a plain
client, each directly and through lbd. One line per way, `ok NAME detail` or `FAILED NAME detail`, and
`N passed, N failed` at the end; the exit code is 0 only when none failed. Everything lives in a temporary
directory, listens on loopback only, has an upper bound, and ends by its process id.
"""

import argparse
import collections
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from balancer import free_ports, make_certificate, wait_until

LBD_KDL = """// Autobahn's suite at both ends; written by tests/acceptance.
listen "127.0.0.1:{plain}" name=plain
listen "127.0.0.1:{secure}" name=secure {{
  tls {{ certificate "{dir}/cert.pem" key="{dir}/key.pem" }}
}}
control socket="{dir}/control.sock"

pool echo {{ server echo "127.0.0.1:{echo}"; }}
pool fuzzer {{ server fuzzer "127.0.0.1:{fuzzer}"; }}

route "/" pool=fuzzer {{
  // The suite compares the port with its own.
  rewrite host="127.0.0.1:{fuzzer}"
}}
route "/echo" pool=echo {{
  rewrite host="127.0.0.1:{echo}"
}}
"""

# Without these the suite takes some seconds; with them, minutes.
LONG = ["9.*", "12.*", "13.*"]
# The suite must have run as many cases as this, or it was not the suite.
FEWEST = {"short": 240, "all": 500, "some": 1}
# Seconds.
BUDGET = {"short": 600, "all": 5400, "some": 5400}
DIRECT = "direct"


class Ended(BaseException):
    """The time is spent, or it was told to end."""


class Suite:
    """Autobahn's processes."""

    def __init__(self, python, suite, directory, cases):
        self.python = python
        self.path = suite
        self.dir = directory
        self.cases = cases
        self.running = []

    def begin(self, name, *arguments):
        """Starts one of its programs; its output goes to a file of that name."""
        with open(self.dir / f"{name}.log", "ab") as out:
            process = subprocess.Popen(
                [self.python, f"{self.path}/bin/wstest", *arguments],
                env={**os.environ, "PYTHONPATH": str(self.path)}, cwd=self.dir,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )
        self.running.append(process)
        return process

    def spec(self, name, **more):
        """A file that says what is to be run."""
        file = self.dir / f"{name}.json"
        file.write_text(json.dumps({"outdir": str(self.dir / name), "exclude-agent-cases": {}, **self.cases, **more}))
        return str(file)

    def verdicts(self, name):
        """What became of each case, by agent."""
        report = json.loads((self.dir / name / "index.json").read_text())
        facts = ("behavior", "behaviorClose", "remoteCloseCode")
        return {
            agent: {case: tuple(result[fact] for fact in facts) for case, result in cases.items()}
            for agent, cases in report.items()
        }

    def stop(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()


class Stage:
    """The suite's servers, and lbd before them."""

    def __init__(self, directory, suite):
        self.dir = Path(directory)
        self.suite = suite
        self.plain, self.secure, self.echo, self.fuzzer = free_ports(4)
        make_certificate(self.dir)
        ports = {name: getattr(self, name) for name in ("plain", "secure", "echo", "fuzzer")}
        (self.dir / "lbd.kdl").write_text(LBD_KDL.format(dir=self.dir, **ports))
        self.lbd = None

    def start(self):
        self.suite.begin("echo", "-m", "testeeserver", "-w", f"ws://127.0.0.1:{self.echo}", "-u", "0")
        spec = self.suite.spec("clients", url=f"ws://127.0.0.1:{self.fuzzer}")
        self.suite.begin("fuzzer", "-m", "fuzzingserver", "-s", spec, "-u", "0")
        with open(self.dir / "lbd.log", "ab") as out:
            self.lbd = subprocess.Popen(
                [os.environ["LBD_BIN"], "run", str(self.dir / "lbd.kdl"), "--state-dir", str(self.dir / "state")],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )
        for port in (self.plain, self.secure, self.echo, self.fuzzer):
            wait_until(f"port {port} is open", lambda port=port: is_open(port), 30)

    def stop(self):
        self.suite.stop()
        if self.lbd:
            if self.lbd.poll() is None:
                self.lbd.kill()
            self.lbd.wait()

    def urls(self, path, direct):
        """The ways to a server."""
        return {
            DIRECT: f"ws://127.0.0.1:{direct}",
            "ws": f"ws://127.0.0.1:{self.plain}{path}",
            "wss": f"wss://127.0.0.1:{self.secure}{path}",
        }

    def fuzz_server(self, ways, seconds):
        """The fuzzing client asks the echo server by each way."""
        urls = self.urls("/echo", self.echo)
        servers = [{"agent": way, "url": urls[way]} for way in ways]
        spec = self.suite.spec("servers", servers=servers)
        finish(self.suite.begin("client", "-m", "fuzzingclient", "-s", spec), seconds)
        return self.suite.verdicts("servers")

    def fuzz_client(self, ways, seconds):
        """The fuzzing server asks a client that comes by each way."""
        urls = self.urls("", self.fuzzer)
        for way in ways:
            finish(self.suite.begin(f"client-{way}", "-m", "testeeclient", "-w", urls[way], "-i", way), seconds)
        return self.suite.verdicts("clients")


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def finish(process, seconds):
    code = process.wait(seconds)
    if code != 0:
        raise RuntimeError(f"{process.args[-1]} ended with {code}")


def compare(way, verdicts, fewest):
    """What there is to say of a way, and whether it is good."""
    without, through = verdicts.get(DIRECT, {}), verdicts.get(way, {})
    if len(without) < fewest or set(without) != set(through):
        return False, f"{len(without)} cases without lbd, {len(through)} through it; at least {fewest} are due"
    other = {case: (without[case], through[case]) for case in without if without[case] != through[case]}
    if other:
        told = "; ".join(f"{case}: {a} without lbd, {b} through it" for case, (a, b) in sorted(other.items())[:20])
        return False, f"{len(other)} of {len(without)} cases end otherwise: {told}"
    counts = collections.Counter(behavior for behavior, _, _ in through.values())
    return True, f"{len(through)} cases end as they do without lbd: {dict(counts)}"


def run(arguments, stage, names):
    passed = failed = 0
    fewest, seconds = FEWEST[arguments.what], BUDGET[arguments.what]
    try:
        stage.start()
        for side, fuzz in (("server", stage.fuzz_server), ("client", stage.fuzz_client)):
            verdicts = fuzz([DIRECT, *names], seconds)
            for way in names:
                good, detail = compare(way, verdicts, fewest)
                print(f"{'ok' if good else 'FAILED'} {way}-{side} {detail}", flush=True)
                passed, failed = passed + good, failed + (not good)
    except (Exception, Ended) as error:
        print(f"FAILED run {error!r}", flush=True)
        failed += 1
    finally:
        signal.alarm(0)
        stage.stop()
    if failed:
        print((stage.dir / "lbd.log").read_text(errors="replace")[-4000:], file=sys.stderr)
    print(f"{passed} passed, {failed} failed", flush=True)
    return failed == 0


def end(number, _):
    raise Ended("the time is spent" if number == signal.SIGALRM else "told to end")


def main():
    ways = ["ws", "wss"]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", help="a Python 2.7")
    parser.add_argument("--suite", help="where autobahntestsuite is installed")
    parser.add_argument("--all", action="store_true", help="the long cases too: a quarter of an hour on an idle machine")
    parser.add_argument("--case", action="append", help="only these cases, such as 9.1.*")
    parser.add_argument("--only", action="append", choices=ways, help="only this way")
    parser.add_argument("--keep", action="store_true", help="keep the temporary directory")
    parser.add_argument("--list", action="store_true", help="print the names of the ways")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(ways))
        return 0
    arguments.what = "some" if arguments.case else "all" if arguments.all else "short"
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, end)
    signal.alarm(BUDGET[arguments.what])
    directory = Path(tempfile.mkdtemp(prefix="lbd-autobahn-"))
    cases = {"cases": arguments.case or ["*"], "exclude-cases": LONG if arguments.what == "short" else []}
    try:
        suite = Suite(arguments.python, arguments.suite, directory, cases)
        return 0 if run(arguments, Stage(directory, suite), arguments.only or ways) else 1
    finally:
        if arguments.keep:
            print(f"kept {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
