"""The proxies under comparison, each with the same job.

What was chosen so that nobody is handicapped:
- one worker each (HAProxy `nbthread 1`, nginx `worker_processes 1`, Envoy `--concurrency 1`, Caddy `GOMAXPROCS=1`, lbd
  `--workers 1`), pinned to one core; all helper threads and processes of a proxy run and are counted there too;
- the load and the servers share another core; what counts is the processor time of the proxy alone, divided by what it
  did, so a load that is slower than a proxy does not flatter that proxy;
- proxies take turns within a round, every other round in the opposite order, and the ratio is taken within the round
  (Envoy and Caddy, which take longer, in some rounds only, and not where a rate is set by the slowest);
  where two HAProxies run, each round is compared with the cheaper one;
- connections to the servers are kept and reused by all (HAProxy `http-reuse always`, nginx `keepalive`);
- defaults elsewhere, with these exceptions in a peer's favour: bodies pass nginx unbuffered by its disk
  (`proxy_request_buffering off`, `proxy_max_temp_file_size 0`), and Envoy's circuit breakers are out of the way;
- no access log, unless a scenario is about it; active health checks every 5 s where the proxy has them (nginx has none);
- all tell the server who asked (X-Forwarded-For); lbd also sends X-Forwarded-Proto, -Host and
  -Port, Via and X-Request-Id, as it does by default;
- TLS 1.3 with one ECDSA P-256 certificate, tickets on, HTTP/2 by ALPN, plain HTTP/1.1 to the servers;
- many routes are a map in HAProxy and locations in nginx, not rules tried in order; Envoy and Caddy have their lists of
  routes, which they try in order;
- memory is what a process holds itself (anonymous pages), of a fresh process, and per connection the difference between
  two crowds: what nginx sets aside for connections at its start is not charged to it; the kernel's share is the same
  for all and left out;
- an error of any request makes a figure void: it is shown as such, not left out.
"""

import os
import shutil

from .caddy import Caddy
from .envoy import Envoy
from .haproxy import Haproxy
from .lbd import Lbd
from .nginx import Nginx
from .proxy import Origins, Proxy, Setup
from .relay import Relay

__all__ = ["KINDS", "Lbd", "Origins", "Proxy", "Relay", "Setup", "binary", "label"]

# Its name here, its class, the variable that names its binary, and what to look for.
KINDS = {
    "lbd": (Lbd, "LBD_BIN", "lbd"),
    "haproxy": (Haproxy, None, "haproxy"),
    "haproxy-new": (Haproxy, "HAPROXY_BIN", None),
    "nginx": (Nginx, "NGINX_BIN", "nginx"),
    "envoy": (Envoy, "ENVOY_BIN", "envoy"),
    "caddy": (Caddy, "CADDY_BIN", "caddy"),
}


def binary(name):
    """Where its binary is; None if there is none."""
    _, variable, program = KINDS[name]
    if variable and (given := os.environ.get(variable)):
        found = shutil.which(given)
        if not found:
            raise SystemExit(f"{variable}: no program {given}")
        return found
    return shutil.which(program) if program else None


def label(name, version):
    """How a table calls it."""
    title = {"lbd": "lbd", "nginx": "nginx", "envoy": "Envoy", "caddy": "Caddy", "floor": "a relay"}.get(name, "HAProxy")
    return f"{title} {version}".strip()

