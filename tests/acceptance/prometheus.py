"""A real Prometheus scrapes lbd under load.

What must hold: promtool finds nothing to say about the rules and about a scrape in either format; every scrape
succeeds; every alert rule and every query of the dashboard is evaluated without an error; a query finds something
where load runs; and alerts come when a server dies and when a file is refused. One line per check, `ok NAME` or
`FAILED NAME detail`; the exit code is 0 only when none failed. Everything lives in a temporary directory, listens on
loopback only, has an upper bound, and ends by its process id.
"""

import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from balancer import end, free_ports, make_certificate
from balancer import wait_until as wait_for
from origin import Answering, serve

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "packaging/prometheus/lbd.rules.yml"
DASHBOARD = ROOT / "packaging/grafana/lbd.json"

LBD_KDL = """// Written by tests/acceptance.
listen "127.0.0.1:{plain}" name=plain
listen "127.0.0.1:{secure}" name=secure {{
  tls {{ certificate "{dir}/cert.pem" key="{dir}/key.pem" }}
}}
status "127.0.0.1:{status}"
control socket="{dir}/control.sock"
log {{ access to="{dir}/access.log"; }}

pool app {{
  server s1 "127.0.0.1:{s1}" max-requests=2
  server s2 "127.0.0.1:{s2}" max-requests=2
  health "/ready" interval="500ms" timeout="400ms" fall=2
  sticky header name=x-device max-entries=100
  queue size=20 timeout="5s"
}}
route "/" pool=app
route "/own" {{ respond 404; }}
"""

PROMETHEUS_YML = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: lbd
    static_configs: [{{targets: ["127.0.0.1:{status}"]}}]
"""

SECONDS = 600


class Server(Answering):
    """Answers, sometimes with 500, and echoes one message of a WebSocket."""

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() == "websocket":
            return self.open_websocket(b"\x81\x05hello")
        failing = self.path.startswith("/fails")
        body = b"x" * 300
        if self.path.startswith("/slow"):
            time.sleep(0.05)
        self.send_response(500 if failing else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET


class Load:
    """Clients that go on until they are stopped."""

    def __init__(self, ports, certificate):
        self.ports, self.going, self.number = ports, True, 0
        self.context = ssl.create_default_context(cafile=certificate)
        self.context.check_hostname = False
        self.threads = [threading.Thread(target=self.run, args=(one,), daemon=True)
                        for one in (self.requests, self.requests, self.slow, self.slow, self.slow, self.slow,
                                    self.slow, self.secure, self.sessions)]
        for thread in self.threads:
            thread.start()

    def run(self, one):
        while self.going:
            try:
                one()
            except OSError:
                time.sleep(0.1)

    def ask(self, path, device, stream=None):
        stream = stream or socket.create_connection(("127.0.0.1", self.ports["plain"]), 10)
        with stream:
            stream.sendall(f"GET {path} HTTP/1.1\r\nHost: app.test\r\nX-Device: {device}\r\n"
                           "Connection: close\r\n\r\n".encode())
            while stream.recv(65536):
                pass

    def requests(self):
        self.number += 1
        for path in ("/", "/", "/fails", "/own", "/%zz"):
            self.ask(path, self.number % 200)
        time.sleep(0.02)

    def slow(self):
        self.ask("/slow", "same")

    def secure(self):
        plain = socket.create_connection(("127.0.0.1", self.ports["secure"]), 10)
        self.ask("/", "tls", self.context.wrap_socket(plain))
        time.sleep(0.05)

    def sessions(self):
        with socket.create_connection(("127.0.0.1", self.ports["plain"]), 10) as stream:
            stream.sendall(b"GET /ws HTTP/1.1\r\nHost: app.test\r\nX-Device: ws\r\nConnection: Upgrade\r\n"
                           b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            stream.recv(4096)
            for _ in range(20):
                stream.sendall(b"\x81\x85" + struct.pack("!I", 0) + b"hello")
                stream.recv(4096)
                time.sleep(0.05)

    def stop(self):
        self.going = False
        for thread in self.threads:
            thread.join(15)


class Checks:
    def __init__(self):
        self.failed = 0

    def check(self, name, problem):
        print(f"FAILED {name} {problem}" if problem else f"ok {name}", flush=True)
        self.failed += bool(problem)


def wait_until(look, seconds, what):
    def found():
        try:
            return look()
        except OSError:  # it does not listen yet
            return None

    return wait_for(what, found, seconds)


def get(port, path, accept=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read().decode()


def query(port, text):
    answer = json.loads(get(port, "/api/v1/query?" + urllib.parse.urlencode({"query": text})))
    return answer["data"]["result"]


def queries(node):
    """Every query of the dashboard, with the title of its panel."""
    if isinstance(node, dict):
        for target in node.get("targets", []):
            yield node["title"], target["expr"]
        if "expr" in node and "titleFormat" in node:
            yield node["name"], node["expr"]
        for value in node.values():
            yield from queries(value)
    elif isinstance(node, list):
        for value in node:
            yield from queries(value)


def filled(text):
    for name, value in (("$__rate_interval", "15s"), ("$instance", ".*"), ("$pool", ".*"), ("$job", "lbd")):
        text = text.replace(name, value)
    return text


def says_nothing(command, **options):
    """What a program complains about, if it does."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    said = (done.stdout + done.stderr).strip()
    return said if done.returncode else ""


def static(checks, ports):
    checks.check("rules", says_nothing(["promtool", "check", "rules", str(RULES)]))
    page = get(ports["status"], "/metrics", "text/plain")
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, timeout=60)
    checks.check("metrics", (done.stdout + done.stderr).strip() or ("exit" if done.returncode else ""))
    page = get(ports["status"], "/metrics", "application/openmetrics-text; version=1.0.0")
    checks.check("openmetrics", "" if page.endswith("\n# EOF\n") else "no end")


def live(checks, ports, home):
    port = ports["prometheus"]
    wait_until(lambda: query(port, 'count_over_time(up{job="lbd"}[30s]) > 3'), 90, "the first scrapes")
    file = home / "lbd.kdl"
    file.write_text(file.read_text().replace("respond 404", "respond 410"))
    wait_until(lambda: query(port, 'count_over_time(up{job="lbd"}[30s]) > 20'), 90, "twenty scrapes")
    target = json.loads(get(port, "/api/v1/targets"))["data"]["activeTargets"][0]
    checks.check("scrapes", target["lastError"] or ("" if target["health"] == "up" else target["health"]))
    checks.check("every scrape", "" if not query(port, 'min_over_time(up{job="lbd"}[30s]) == 0') else "some failed")
    for title, text in queries(json.loads(DASHBOARD.read_text())):
        text = filled(text)
        try:
            found = query(port, text)
        except OSError as error:
            checks.check(f"query: {title}", f"{text}: {error}")
            continue
        checks.check(f"query: {title}", "" if found else f"finds nothing: {text}")
    wait_until(lambda: all(rule["health"] == "ok" for rule in rules(port)), 30, "rules are evaluated")
    for rule in rules(port):
        checks.check(f"rule: {rule['name']}", rule.get("lastError", ""))


def rules(port):
    groups = json.loads(get(port, "/api/v1/rules"))["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def states(port):
    return {rule["name"] for rule in rules(port) if rule["state"] in ("pending", "firing")}


def alarms(checks, ports, home, servers):
    """What is broken is alerted on, and what is not is not."""
    port = ports["prometheus"]
    quiet = {"LbdGone", "LbdPoolWithoutServer", "LbdServerDown", "LbdConfigRefused", "LbdDrainStuck", "LbdLogLinesLost"}
    checks.check("no false alarm", ", ".join(quiet & states(port)))
    wanted = {"LbdErrors", "LbdStickyEvictions", "LbdStickyTableNearlyFull"}
    wait(checks, "alerts of the load", lambda: wanted <= states(port))
    servers[1].shutdown()
    servers[1].server_close()
    wait(checks, "alert: a server is down", lambda: "LbdServerDown" in states(port))
    (home / "lbd.kdl").write_text("route {")
    wait(checks, "alert: a file is refused", lambda: "LbdConfigRefused" in states(port))
    servers[0].shutdown()
    servers[0].server_close()
    wait(checks, "alert: a pool has no server", lambda: "LbdPoolWithoutServer" in states(port))


def wait(checks, name, condition):
    try:
        wait_until(condition, 60, name)
        checks.check(name, "")
    except Exception as error:  # whatever kept it from coming is what the line says
        checks.check(name, error)


def run(checks, home):
    ports = dict(zip(("plain", "secure", "status", "s1", "s2", "prometheus"), free_ports(6)))
    make_certificate(home)
    (home / "lbd.kdl").write_text(LBD_KDL.format(dir=home, **ports))
    (home / "prometheus.yml").write_text(PROMETHEUS_YML.format(rules=RULES, **ports))
    servers = [serve(ports["s1"], Server), serve(ports["s2"], Server)]
    running, load = [], None
    try:
        with open(home / "lbd.log", "w") as log:
            command = [os.environ["LBD_BIN"], "run", str(home / "lbd.kdl"), "--workers", "2"]
            running.append(subprocess.Popen(command, stdout=log, stderr=log))
        wait_until(lambda: "ready" in get(ports["status"], "/ready"), 30, "lbd serves")
        with open(home / "prometheus.log", "w") as log:
            running.append(subprocess.Popen(
                ["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
                 f"--web.listen-address=127.0.0.1:{ports['prometheus']}"], stdout=log, stderr=log))
        wait_until(lambda: get(ports["prometheus"], "/-/ready"), 60, "Prometheus is ready")
        load = Load(ports, str(home / "cert.pem"))
        static(checks, ports)
        live(checks, ports, home)
        alarms(checks, ports, home, servers)
        said = [line for line in (home / "prometheus.log").read_text().splitlines()
                if re.search(r"level=(warn|error)", line) and "scrape" in line]
        checks.check("no warning of a scrape", "; ".join(said[:3]))
    finally:
        if load:
            load.stop()
        for process in running:
            end(process, 20)
        if checks.failed or sys.exc_info()[0]:
            print((home / "lbd.log").read_text()[-4000:], file=sys.stderr)


def main():
    checks = Checks()
    timer = threading.Timer(SECONDS, lambda: os._exit(2))
    timer.daemon = True
    timer.start()
    with tempfile.TemporaryDirectory() as home:
        run(checks, Path(home))
    print(f"{checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
