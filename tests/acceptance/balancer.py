"""The balancer under test: lbd, or HAProxy with an equal configuration to test the checks themselves."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

INTERVAL = 2
FALL = 3
TIMEOUT = 2

LBD_KDL = """// Two Tomcats; written by tests/acceptance.
listen "127.0.0.1:{plain}" name=plain
listen "127.0.0.1:{secure}" name=secure {{
  tls {{ certificate "{dir}/cert.pem" key="{dir}/key.pem" }}
}}
control socket="{dir}/control.sock"

pool tomcats {{
  server one "127.0.0.1:{one}"
  server two "127.0.0.1:{two}"
  balance round-robin
  sticky cookie name=NODE
  health "/ready.jsp" interval="{interval}s" timeout="{timeout}s" rise=2 fall={fall} drain-status=404
}}

route "/" pool=tomcats {{
  retry connect reset attempts=2
  response-headers {{ set x-edit "{edit}"; }}
}}
"""

HAPROXY_CFG = """# The same for HAProxy; written by tests/acceptance.
global
  stats socket {dir}/haproxy.sock mode 600 expose-fd listeners
  maxconn 4000
  nbthread 2
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  option redispatch
  option http-keep-alive
  option idle-close-on-response
  retries 3
  retry-on all-retryable-errors
frontend front
  bind 127.0.0.1:{plain}
  bind 127.0.0.1:{secure} ssl crt {dir}/both.pem
  http-response set-header x-edit "{edit}"
  http-request disable-l7-retry unless METH_GET
  default_backend tomcats
backend tomcats
  balance roundrobin
  cookie NODE insert indirect nocache
  option httpchk GET /ready.jsp
  http-check disable-on-404
  default-server check inter {interval}s rise 2 fall {fall}
  timeout check {timeout}s
  server one 127.0.0.1:{one} cookie one
  server two 127.0.0.1:{two} cookie two
"""


def end(process, patience):
    """Ends a process in order, or after so many seconds at once."""
    if process and process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_ports(count):
    """Ports that were free a moment ago, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class Balancer:
    """What both have in common: a file with an edit number in it, and a process."""

    template = None
    file = None

    def __init__(self, directory, tomcats):
        self.dir = Path(directory)
        self.plain, self.secure = free_ports(2)
        self.tomcats = tomcats
        self.process = None
        self.edit = 0
        make_certificate(self.dir)
        self.write()

    def write(self):
        text = self.template.format(
            dir=self.dir, plain=self.plain, secure=self.secure, edit=self.edit,
            interval=INTERVAL, timeout=TIMEOUT, fall=FALL,
            **{tomcat.name: tomcat.port for tomcat in self.tomcats},
        )
        new = self.dir / "new-configuration~"
        new.write_text(text)
        new.rename(self.dir / self.file)

    def start(self):
        self.log = open(self.dir / "balancer.log", "ab")
        self.process = subprocess.Popen(
            self.command(), stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL
        )

    def stop(self):
        end(self.process, 10)

    def alive(self):
        return self.process.poll() is None

    def tail(self):
        return (self.dir / "balancer.log").read_text(errors="replace")[-6000:]


class Lbd(Balancer):
    """lbd: a saved file is all that a reload takes."""

    template = LBD_KDL
    file = "lbd.kdl"

    def command(self):
        return [os.environ["LBD_BIN"], "run", str(self.dir / self.file), "--state-dir", str(self.dir / "state")]

    def save_edit(self):
        self.edit += 1
        self.write()

    def lbctl(self, *arguments, timeout=180):
        """Runs lbctl; its exit code and what it printed."""
        done = subprocess.run(
            [os.environ["LBCTL_BIN"], "--socket", str(self.dir / "control.sock"), *arguments],
            capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
        )
        return done.returncode, done.stdout + done.stderr


class HAProxy(Balancer):
    """Debian's HAProxy with a master process: a reload is a saved file and a signal."""

    template = HAPROXY_CFG
    file = "haproxy.cfg"

    def command(self):
        return ["haproxy", "-W", "-db", "-f", str(self.dir / self.file)]

    def save_edit(self):
        self.edit += 1
        self.write()
        os.kill(self.process.pid, signal.SIGUSR2)


def make_certificate(directory):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "365", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem"],
        check=True, capture_output=True,
    )
    both = (directory / "cert.pem").read_text() + (directory / "key.pem").read_text()
    (directory / "both.pem").write_text(both)


def wait_until(what, look, seconds=30):
    """Looks until `look` gives something true; RuntimeError with `what` when it does not.

    `seconds` are those of an idle machine: a busy one gets three times as many.
    """
    seconds *= 3
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.05)
