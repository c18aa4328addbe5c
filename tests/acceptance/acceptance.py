"""The acceptance checks: lbd in front of two real Tomcats.

One line per check, `ok NAME detail` or `FAILED NAME detail`, and `N passed, N failed` at the end; the exit
code is 0 only when none failed. Everything lives in a temporary directory, listens on loopback only, has
an upper bound, and ends by its process id.
"""

import argparse
import collections
import concurrent.futures
import datetime
import json
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from balancer import FALL, INTERVAL, TIMEOUT, HAProxy, Lbd, free_ports, wait_until
from browser import Browser
from clients import Crowd, Load, Visitor, WebSocket, first_visit
from tomcat import MANY, Tomcat

import page

BUDGET = 420
ECHO = "/examples/websocket/echoAnnotation"


class Failed(Exception):
    """A check found what it must not find."""


class Ended(BaseException):
    """The run as a whole is over: its time is spent, or it was told to end."""


def require(condition, detail):
    if not condition:
        raise Failed(detail)


class Stage:
    """The Tomcats and the balancer that every check plays on."""

    def __init__(self, directory, balancer):
        self.dir = Path(directory)
        ports = free_ports(2)
        self.tomcats = [Tomcat(n, self.dir / n, p) for n, p in zip(("one", "two"), ports)]
        self.one, self.two = self.tomcats
        self.balancer = balancer(self.dir, self.tomcats)

    def start(self):
        for tomcat in self.tomcats:
            tomcat.start()
        for tomcat in self.tomcats:
            tomcat.wait()
        self.balancer.start()
        self.wait_for_both()

    def stop(self):
        self.balancer.stop()
        for tomcat in self.tomcats:
            tomcat.kill()

    @property
    def port(self):
        return self.balancer.plain

    def wait_for_both(self):
        """Both Tomcats take new clients."""

        def look():
            require(self.balancer.alive(), "the balancer ended")
            try:
                seen = {first_visit(self.port) for _ in range(8)}
            except OSError:
                return False
            return {node for status, node in seen if status == 200} == {"one", "two"}

        wait_until("both Tomcats get new clients", look, 30)

    def visitors_on(self, node, count):
        """Visitors whose session lives on that Tomcat."""
        found = []
        for _ in range(count * 20):
            visitor = Visitor(self.port)
            status, where, _ = visitor.count()
            require(status == 200, f"a first visit got {status}")
            if where == node:
                found.append(visitor)
            else:
                visitor.close()
            if len(found) == count:
                return found
        raise Failed(f"new clients do not reach {node}")


def check_sessions(stage):
    """200 clients with a cookie jar, 20 requests each: no error, no session lost."""
    clients, requests = 200, 20
    errors, lost, nodes = [], [], collections.Counter()

    def visit(_):
        visitor = Visitor(stage.port)
        try:
            home = None
            for expected in range(1, requests + 1):
                status, node, count = visitor.count()
                if status != 200:
                    errors.append(f"status {status}")
                    return
                home = home or node
                if (node, count) != (home, expected):
                    lost.append(f"was on {home} at {expected - 1}, now {node} {count}")
                    return
            nodes[home] += 1
        except Exception as error:  # every way to fail is a failure of the check
            errors.append(repr(error))
        finally:
            visitor.close()

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        list(pool.map(visit, range(clients)))
    require(not errors, f"{len(errors)} errors, the first: {errors[:3]}")
    require(not lost, f"{len(lost)} sessions lost, the first: {lost[:3]}")
    require(len(nodes) == 2, f"all clients on one Tomcat: {dict(nodes)}")
    return f"{clients} clients x {requests} requests, 0 errors, 0 lost; on {dict(nodes)}"


def check_browser(stage):
    """The examples' WebSocket echo page, over ws and wss, in headless Chromium."""
    addresses = []
    with Browser(stage.dir, free_ports(1)[0]) as browser:
        for page in (f"http://127.0.0.1:{stage.port}", f"https://127.0.0.1:{stage.balancer.secure}"):
            browser.open(f"{page}/examples/websocket/echo.xhtml")
            for radio in ("#radio1", "#radio2"):
                browser.click(radio)
                addresses.append(browser.run("return document.getElementById('target').value"))
                browser.click("#connect")
                browser.wait_for("return !document.getElementById('echo').disabled")
                before = browser.run("return document.getElementById('console').childNodes.length")
                browser.click("#echo")
                browser.wait_for(
                    "return Array.from(document.getElementById('console').childNodes)"
                    f".slice({before}).some(p => p.textContent === 'Received: Here is a message!')"
                )
                browser.click("#disconnect")
                browser.wait_for(
                    "return document.getElementById('console').textContent.includes('closed, Code: 1000')"
                )
                browser.run("document.getElementById('console').replaceChildren()")
    schemes = sorted({address.split(":")[0] for address in addresses})
    require(schemes == ["ws", "wss"], f"the page spoke {schemes}")
    vias = {via for tomcat in stage.tomcats for via, upgrade, _ in tomcat.accesses() if upgrade == "websocket"}
    if isinstance(stage.balancer, Lbd):
        require(vias >= {"1.1 lbd", "2.0 lbd"}, f"the WebSockets came by {vias}, not by both versions")
    return f"echoed over {' and '.join(schemes)}, {len(addresses)} WebSockets via {sorted(vias)}, closed in order"


def check_many(stage):
    """A page of 500 small resources, over one HTTP/2 connection, in headless Chromium."""
    with Browser(stage.dir, free_ports(1)[0]) as browser:
        browser.open(f"https://127.0.0.1:{stage.balancer.secure}/many.html")
        browser.wait_for(f"return dots === {MANY}")
        seen = browser.run(
            "const all = performance.getEntriesByType('resource').filter(e => e.name.includes('/dot.js'));"
            "return {all: all.length, protocols: [...new Set(all.map(e => e.nextHopProtocol))],"
            " bad: all.filter(e => e.responseStatus !== 200).length,"
            " connected: all.filter(e => e.connectEnd > e.connectStart).length}"
        )
    expected = {"all": MANY, "protocols": ["h2"], "bad": 0, "connected": 0}
    require(seen == expected, f"the page saw {seen}, not {expected}")
    return f"{MANY} resources over {seen['protocols'][0]}, none on a connection of its own"


def check_not_ready(stage):
    """503 on the ready path moves new sessions away in time, and nobody sees a 5xx."""
    settled = stage.visitors_on("one", 5)
    bound = INTERVAL * FALL + TIMEOUT + INTERVAL
    stage.one.set_ready(503)
    try:
        started, last, bad, visits = time.monotonic(), 0.0, [], 0
        # Twice the time: what a busy machine takes.
        while time.monotonic() - started < 2 * bound + 3:
            asked = time.monotonic() - started
            status, node = first_visit(stage.port)
            visits += 1
            if status >= 500:
                bad.append(status)
            if node == "one":
                last = asked
            time.sleep(0.02)
        require(not bad, f"new clients saw {bad[:5]}")
        require(last <= 2 * bound, f"a new session on one after {last:.1f} s, more than twice {bound} s")
        moved = [visitor.count() for visitor in settled]
        require(all(status == 200 for status, _, _ in moved), f"old sessions saw {moved}")
        require({node for _, node, _ in moved} == {"two"}, f"old sessions are on {moved}")
        again = [visitor.count() for visitor in settled]
        require(all(count == 2 for _, _, count in again), f"moved sessions do not stay: {again}")
    finally:
        stage.one.set_ready(200)
    stage.wait_for_both()
    return f"last new session after {last:.1f} s (bound {bound} s), {visits} visits, no 5xx, old ones moved"


def check_drain_status(stage):
    """404 on the ready path means drain: old sessions stay and count on, new ones go elsewhere."""
    settled = stage.visitors_on("one", 5)
    stage.one.set_ready(404)
    try:
        # Round robin gives a node that still takes new clients at least one of ten.
        wait_until(
            "new clients leave one",
            lambda: {first_visit(stage.port) for _ in range(10)} == {(200, "two")},
            INTERVAL * FALL + TIMEOUT + 5,
        )
        for expected in (2, 3, 4):
            for visitor in settled:
                seen = visitor.count()
                require(seen == (200, "one", expected), f"a settled session saw {seen}, not {expected} on one")
    finally:
        stage.one.set_ready(200)
    stage.wait_for_both()
    return f"{len(settled)} old sessions stayed and counted on, new ones went to two"


def check_lbctl_drain(stage):
    """`lbctl drain` keeps old sessions and moves new ones; `ready` undoes it."""
    settled = stage.visitors_on("one", 5)
    code, text = stage.balancer.lbctl("drain", "tomcats/one", "--reason", "acceptance")
    require(code == 0, f"drain ended with {code}: {text}")
    new = {first_visit(stage.port) for _ in range(10)}
    require(new == {(200, "two")}, f"new clients during the drain: {new}")
    for visitor in settled:
        seen = visitor.count()
        require(seen == (200, "one", 2), f"a settled session saw {seen}")
    code, text = stage.balancer.lbctl("drain", "tomcats/two")
    require(code == 6, f"draining the last server ended with {code}, not 6: {text}")
    code, text = stage.balancer.lbctl("ready", "tomcats/one")
    require(code == 0, f"ready ended with {code}: {text}")
    stage.wait_for_both()
    return "old sessions stayed, new ones moved, the last server was guarded, ready undid it"


def check_rolling(stage):
    """Both Tomcats are restarted one after the other under 50 clients: nobody notices."""
    clients, session, rate = 50, 3.0, 20
    begun, waits, spans = {}, [], []
    with Crowd(stage.port, ECHO, clients, session) as crowd:
        wait_until("the crowd is on both", lambda: min(crowd.count_on(n) for n in ("one", "two")) > 5, 20)
        for tomcat in stage.tomcats:
            name, before = f"tomcats/{tomcat.name}", len(crowd.closes)
            begun[tomcat.name] = time.monotonic()
            code, text = stage.balancer.lbctl(
                "drain", name, "--wait", "--close-rate", f"{rate}/s", "--deadline", "60s", "--reason", "rolling"
            )
            returned = time.monotonic()
            require(code == 0, f"the drain of {name} ended with {code}: {text}")
            closed = [at for at, _ in crowd.closes[before:]]
            require(closed, f"{name} had no WebSocket to close")
            waits.append(returned - max(closed))
            spans.append((len(closed), max(closed) - begun[tomcat.name]))
            # Whoever was there when the drain began has had the time of a session to end.
            wait_until(
                f"the sessions on {tomcat.name} end", lambda node=tomcat.name: crowd.count_on(node) == 0, session + 3
            )
            late = [at for at, node in crowd.begun if node == tomcat.name and at > returned]
            require(not late, f"{len(late)} sessions began on {tomcat.name} during its drain")
            tomcat.stop()
            tomcat.start()
            tomcat.wait()
            code, text = stage.balancer.lbctl("ready", name)
            require(code == 0, f"ready {name} ended with {code}: {text}")
            wait_until(f"{tomcat.name} is back", lambda node=tomcat.name: crowd.count_on(node) > 5, 20)
    require(not crowd.errors, f"{len(crowd.errors)} errors of {crowd.requests}: {crowd.errors[:3]}")
    require(not crowd.lost, f"{len(crowd.lost)} of {crowd.sessions} sessions lost: {crowd.lost[:3]}")
    require(not crowd.dropped, f"{len(crowd.dropped)} WebSockets dropped: {crowd.dropped[:3]}")
    codes = {code for _, code in crowd.closes}
    require(codes == {1012}, f"WebSockets were closed with {codes}")
    # Clients may read late on a busy machine; none can read what is not sent yet.
    for count, span in spans:
        require(span >= 0.8 * (count - 1) / rate, f"{count} WebSockets were closed in {span:.2f} s, at {rate}/s")
    require(max(waits) < 10, f"lbctl returned {max(waits):.2f} s after the last WebSocket had closed")
    return (
        f"{clients} clients, {crowd.requests} requests, 0 errors; {crowd.sessions} sessions, 0 lost;"
        f" {len(crowd.closes)} WebSockets closed at {rate}/s, 0 dropped;"
        f" lbctl returned {max(waits):.2f} s after the last"
    )


def check_kill(stage):
    """kill -9 of one Tomcat under load: no idempotent request fails."""
    with Load(stage.port, threads=16, seconds=25) as load:
        wait_until("the load is on both", lambda: min(load.nodes[n] for n in ("one", "two")) > 200, 20)
        before = load.requests
        stage.one.kill()
        wait_until("the load goes on", lambda: load.requests > before + 1000 or load.failures, 20)
        time.sleep(INTERVAL * FALL)
    stage.one.start()
    stage.one.wait()
    stage.wait_for_both()
    require(not load.failures, f"{len(load.failures)} of {load.requests} failed: {load.failures[:3]}")
    return f"{load.requests} requests, {load.requests - before} of them after the kill, 0 failed"


def check_reloads(stage):
    """Ten edits under load with 100 open WebSockets: nothing fails, nothing is cut."""
    sockets = [WebSocket(stage.port, ECHO) for _ in range(100)]
    slowest = 0.0
    try:
        with Load(stage.port, threads=8, seconds=80) as load:
            for edit in range(10):
                before = load.requests
                saved = time.monotonic()
                stage.balancer.save_edit()
                wait_until("the edit is live", lambda: edit_seen(stage) == str(stage.balancer.edit), 10)
                slowest = max(slowest, time.monotonic() - saved)
                wait_until("requests go on", lambda: load.requests > before + 50 or load.failures, 10)
                for number, ws in enumerate(sockets):
                    require(ws.echo(f"edit {edit} socket {number}"), "a WebSocket echoed something else")
        require(not load.failures, f"{len(load.failures)} of {load.requests} failed: {load.failures[:3]}")
    except (OSError, ConnectionError) as error:
        raise Failed(f"a WebSocket was dropped: {error}") from None
    finally:
        for ws in sockets:
            ws.close()
    return f"10 edits live, the slowest after {slowest:.2f} s; {load.requests} requests, 0 failed; 100 WebSockets, 0 dropped"


def check_bad_saves(stage):
    """Bad saves under load: the old generation serves, and within 1 s `lbctl status` says what is wrong."""
    file = stage.balancer.dir / stage.balancer.file
    good = file.read_text()
    slowest = 0.0
    with Load(stage.port, threads=8, seconds=60) as load:
        for bad in (good + 'route "/nobody" pool=nobody\n', good[: len(good) // 2], ""):
            file.write_text(bad)
            saved = file.stat().st_mtime
            refused = wait_until("the finding is in the status", lambda: rejected_at(stage), 10)
            slowest = max(slowest, refused - saved)
            require(refused - saved < 1.0, f"the finding came after {refused - saved:.2f} s")
            file.write_text(good)
            wait_until("the file is mended", lambda: rejected_at(stage) is None, 10)
    require(not load.failures, f"{len(load.failures)} of {load.requests} failed: {load.failures[:3]}")
    return f"3 bad saves, each in `lbctl status` after {slowest:.2f} s at most; {load.requests} requests, 0 failed"


def rejected_at(stage):
    """When the daemon refused what is in its files, in seconds since 1970; None while they run."""
    code, text = stage.balancer.lbctl("status", "--json")
    require(code == 0, f"status ended with {code}: {text}")
    rejected = json.loads(text)["config"].get("rejected")
    return rejected and datetime.datetime.fromisoformat(rejected["at"].replace("Z", "+00:00")).timestamp()


def check_page(stage):
    """The page of `status` in headless Chromium, in front of servers of its own."""
    directory = stage.dir / "page"
    directory.mkdir()
    try:
        return page.run(directory)
    except page.Wrong as error:
        raise Failed(f"{error}\n{page.said(directory)}") from None


def edit_seen(stage):
    visitor = Visitor(stage.port)
    try:
        visitor.get("/plain.jsp")
        return visitor.answer.getheader("x-edit")
    except OSError:
        return None
    finally:
        visitor.close()


CHECKS = {
    "sessions": check_sessions,
    "browser": check_browser,
    "many": check_many,
    "not-ready": check_not_ready,
    "drain-status": check_drain_status,
    "lbctl-drain": check_lbctl_drain,
    "rolling": check_rolling,
    "kill": check_kill,
    "reloads": check_reloads,
    "bad-saves": check_bad_saves,
    "page": check_page,
}


def end(number, _):
    raise Ended(f"the budget of {BUDGET} s is spent" if number == signal.SIGALRM else "told to end")


def run(names, stage):
    passed = failed = 0
    try:
        stage.start()
        for name in names:
            try:
                stage.wait_for_both()
                detail = CHECKS[name](stage)
                require(stage.balancer.alive(), "the balancer ended")
                print(f"ok {name} {detail}", flush=True)
                passed += 1
            except Exception as error:
                if not isinstance(error, (Failed, RuntimeError)):
                    traceback.print_exc()
                print(f"FAILED {name} {error}", flush=True)
                failed += 1
    except (Exception, Ended) as error:
        print(f"FAILED run {error}", flush=True)
        failed += 1
    finally:
        signal.alarm(0)
        stage.stop()
    if failed:
        print(f"--- what the balancer said ---\n{stage.balancer.tail()}\n---", file=sys.stderr)
    print(f"{passed} passed, {failed} failed", flush=True)
    return failed == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--balancer", choices=("lbd", "haproxy"), default="lbd")
    parser.add_argument("--only", action="append", choices=list(CHECKS), help="only this check")
    parser.add_argument("--keep", action="store_true", help="keep the temporary directory")
    parser.add_argument("--list", action="store_true", help="print the names of the checks")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(CHECKS))
        return 0
    names = arguments.only or list(CHECKS)
    if arguments.balancer == "haproxy":
        names = [name for name in names if name not in ("lbctl-drain", "rolling", "bad-saves", "page")]
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, end)
    signal.alarm(BUDGET)
    directory = tempfile.mkdtemp(prefix="lbd-acceptance-")
    try:
        balancer = Lbd if arguments.balancer == "lbd" else HAProxy
        return 0 if run(names, Stage(directory, balancer)) else 1
    finally:
        if arguments.keep:
            print(f"kept {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
