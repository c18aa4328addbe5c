"""HAProxy."""

from .proxy import Proxy


class Haproxy(Proxy):
    sticky = ("cookie", "table")
    version_of = ("-v",)

    def command(self):
        pem = self.folder / "both.pem"
        pem.write_text("".join(path.read_text() for path in self.certificate()))
        config = self.folder / "haproxy.cfg"
        config.write_text(self.text(pem))
        return [self.binary, "-f", config, "-db"]

    def text(self, pem):
        cookie = self.setup.sticky == "cookie"
        sticky = {
            "": "",
            "cookie": "  cookie SRV insert indirect nocache\n",
            "table": "  stick-table type string len 32 size 1100k expire 1h\n  stick on req.hdr(X-Session)\n",
        }[self.setup.sticky]
        servers = "\n".join(
            f"  server s{n} {address} check inter 5s" + (f" cookie s{n}" if cookie else "")
            for n, address in enumerate(self.origins.addresses(self.setup.servers)))
        routing = ""
        if self.setup.routes > 1:
            table = self.folder / "routes.map"
            table.write_text("".join(f"/route-{n} web\n" for n in range(1, self.setup.routes)))
            routing = f"  use_backend %[path,map_beg({table},web)]\n"
        log = "  log stdout format raw local0\n  option httplog\n" if self.setup.access_log else ""
        return f"""# Written by benches/compare.
global
  nbthread {self.setup.workers}
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
{sticky}  option httpchk GET /health
{servers}
backend sockets
  server one 127.0.0.1:{self.origins.websocket} check inter 5s
"""
