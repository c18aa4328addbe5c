"""lbd, with its defaults and active health checks."""

from .proxy import Proxy


class Lbd(Proxy):
    sticky = ("cookie", "table")

    @property
    def config(self):
        return self.folder / "lbd.kdl"

    def command(self):
        self.config.write_text(self.text())
        workers = str(self.setup.workers)
        return [self.binary, "run", self.config, "--workers", workers, "--state-dir", self.folder / "state"]

    def text(self):
        servers = "\n".join(
            f'  server s{n} "{address}"' for n, address in enumerate(self.origins.addresses(self.setup.servers)))
        routes = "\n".join(f'route "/route-{n}" pool=web' for n in range(1, self.setup.routes))
        sticky = {
            "": "",
            "cookie": "  sticky cookie name=SRV",
            "table": '  sticky header name=X-Session ttl="1h" max-entries=1100000',
        }[self.setup.sticky]
        log = f'log {{ access to="{self.folder}/access.log"; }}' if self.setup.access_log else ""
        certificate, key = self.certificate()
        return f"""// Written by benches/compare.
listen "127.0.0.1:{self.plain}" name=plain
listen "127.0.0.1:{self.secure}" name=secure {{
  tls {{ certificate "{certificate}" key="{key}" }}
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
