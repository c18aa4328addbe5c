"""The proxies under comparison, each with the same job on one core.

What was chosen so that nobody is handicapped:
- one worker each (HAProxy `nbthread 1`, nginx `worker_processes 1`, lbd `--workers 1`), pinned to the same core; all
  helper threads and processes of a proxy run and are counted there too;
- connections to the servers are kept and reused by all (HAProxy `http-reuse always`, nginx `keepalive`);
- no access log, unless a scenario is about it; active health checks where the proxy has them (nginx has none);
- TLS 1.3 with one ECDSA P-256 certificate, tickets on, HTTP/2 by ALPN;
- many routes are a map in HAProxy and locations in nginx, not a list of rules that is tried in order.
"""

import os
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from machine import PROXY_CORE, cpu_ns, free_port, memory, pinned


@dataclass
class Setup:
    """What a proxy is configured for."""

    name: str
    routes: int = 1
    servers: int = 1
    sticky: bool = False
    access_log: bool = False


@dataclass
class Origins:
    """Where the servers are."""

    http: int
    websocket: int

    def address(self, number):
        """Server `number`; the whole of 127.0.0.0/8 is this machine."""
        return f"127.0.0.{number + 1}:{self.http}"


@dataclass
class Proxy:
    """A proxy that runs."""

    name: str
    folder: Path
    setup: Setup
    origins: Origins
    version: list = field(default_factory=list)
    plain: int = 0
    secure: int = 0
    process: subprocess.Popen = None

    def __post_init__(self):
        self.plain, self.secure = free_port(), free_port()
        self.folder.mkdir(parents=True, exist_ok=True)

    def start(self):
        """Starts it, and waits until it serves."""
        command = self.command()
        log = (self.folder / "log").open("w")
        began = time.monotonic()
        self.process = subprocess.Popen(pinned(PROXY_CORE, command), stdout=log, stderr=log)
        while time.monotonic() < began + 30:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.plain}/1k", timeout=2) as answer:
                    if answer.status == 200:
                        return time.monotonic() - began
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} does not serve; see {self.folder}/log")

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

    def memory(self):
        return memory(self.process.pid)


class Lbd(Proxy):
    def __init__(self, folder, setup, origins, name="lbd"):
        super().__init__(name, folder, setup, origins, [os.environ["LBD_BIN"], "--version"])
        self.config = self.folder / "lbd.kdl"

    def command(self):
        self.config.write_text(self.text())
        state = self.folder / "state"
        return [os.environ["LBD_BIN"], "run", self.config, "--workers", "1", "--state-dir", state]

    def text(self):
        servers = "\n".join(
            f'  server s{n} "{self.origins.address(n)}"' for n in range(self.setup.servers)
        )
        routes = "\n".join(f'route "/route-{n}" pool=web' for n in range(1, self.setup.routes))
        sticky = "  sticky cookie name=SRV" if self.setup.sticky else ""
        log = f'access-log "{self.folder}/access.log"' if self.setup.access_log else ""
        return f"""// Written by benches/compare.
listen "127.0.0.1:{self.plain}" name=plain
listen "127.0.0.1:{self.secure}" name=secure {{
  tls {{ certificate "{self.folder.parent}/cert.pem" key="{self.folder.parent}/key.pem" }}
}}
control socket="{self.folder}/control.sock"
{log}
pool web {{
{servers}
{sticky}
  health "/health" interval="5s" timeout="2s"
}}
pool sockets {{
  server one "127.0.0.1:{self.origins.websocket}"
  health tcp interval="5s" timeout="2s"
}}
route "/" pool=web
route "/ws" pool=sockets
{routes}
"""


class Haproxy(Proxy):
    def __init__(self, folder, setup, origins, name="haproxy"):
        self.binary = os.environ.get("HAPROXY_BIN", "haproxy")
        super().__init__(name, folder, setup, origins, [self.binary, "-v"])

    def command(self):
        pem = self.folder / "both.pem"
        above = self.folder.parent
        pem.write_text((above / "cert.pem").read_text() + (above / "key.pem").read_text())
        config = self.folder / "haproxy.cfg"
        config.write_text(self.text(pem))
        return [self.binary, "-f", config, "-db"]

    def text(self, pem):
        cookie = "  cookie SRV insert indirect nocache\n" if self.setup.sticky else ""
        servers = "\n".join(
            f"  server s{n} {self.origins.address(n)} check inter 5s" + (f" cookie s{n}" if cookie else "")
            for n in range(self.setup.servers)
        )
        routing = ""
        if self.setup.routes > 1:
            table = self.folder / "routes.map"
            table.write_text("".join(f"/route-{n} web\n" for n in range(1, self.setup.routes)))
            routing = f"  use_backend %[path,map_beg({table},web)]\n"
        log = "  log stdout format raw local0\n  option httplog\n" if self.setup.access_log else ""
        return f"""# Written by benches/compare.
global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  http-reuse always
  option forwardfor
frontend in
  bind 127.0.0.1:{self.plain}
  bind 127.0.0.1:{self.secure} ssl crt {pem} alpn h2,http/1.1
{log}  use_backend sockets if {{ path /ws }}
{routing}  default_backend web
backend web
{cookie}  option httpchk GET /health
{servers}
backend sockets
  server one 127.0.0.1:{self.origins.websocket} check inter 5s
"""


class Nginx(Proxy):
    def __init__(self, folder, setup, origins, name="nginx"):
        self.binary = os.environ.get("NGINX_BIN", "nginx")
        super().__init__(name, folder, setup, origins, [self.binary, "-v"])

    def command(self):
        config = self.folder / "nginx.conf"
        config.write_text(self.text())
        return [self.binary, "-c", config]

    def text(self):
        servers = "\n".join(f"    server {self.origins.address(n)};" for n in range(self.setup.servers))
        locations = "\n".join(
            f"    location /route-{n} {{ proxy_pass http://web; }}" for n in range(1, self.setup.routes)
        )
        log = f"access_log {self.folder}/access.log;" if self.setup.access_log else "access_log off;"
        above = self.folder.parent
        return f"""# Written by benches/compare.
worker_processes 1;
daemon off;
pid {self.folder}/nginx.pid;
error_log {self.folder}/error.log;
worker_rlimit_nofile 20000;
events {{ worker_connections 10000; }}
http {{
  {log}
  keepalive_requests 1000000000;
  client_body_temp_path {self.folder}/body;
  proxy_temp_path {self.folder}/proxy;
  fastcgi_temp_path {self.folder}/fastcgi;
  uwsgi_temp_path {self.folder}/uwsgi;
  scgi_temp_path {self.folder}/scgi;
  client_max_body_size 0;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Forwarded-Proto $scheme;
  upstream web {{
{servers}
    keepalive 1024;
    keepalive_requests 1000000000;
  }}
  upstream sockets {{ server 127.0.0.1:{self.origins.websocket}; }}
  server {{
    listen 127.0.0.1:{self.plain} backlog=4096;
    listen 127.0.0.1:{self.secure} ssl http2 backlog=4096;
    ssl_certificate {above}/cert.pem;
    ssl_certificate_key {above}/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:10m;
    location / {{ proxy_pass http://web; }}
    location /ws {{
      proxy_pass http://sockets;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_read_timeout 1h;
    }}
{locations}
  }}
}}
"""
