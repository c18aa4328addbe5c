"""Caddy."""

import json

from .proxy import Proxy


class Caddy(Proxy):
    version_of = ("version",)
    seldom = True

    def command(self):
        self.environment = {"GOMAXPROCS": str(self.setup.workers), "XDG_DATA_HOME": str(self.folder / "data"),
                            "XDG_CONFIG_HOME": str(self.folder / "config")}
        config = self.folder / "caddy.json"
        certificate, key = self.certificate()
        logs = {"default": {"level": "ERROR", "exclude": ["http.log.access"]}}
        server = {"automatic_https": {"disable": True}, "protocols": ["h1", "h2"], "routes": self.routes()}
        if self.setup.access_log:
            logs["access"] = {"include": ["http.log.access"],
                              "writer": {"output": "file", "filename": f"{self.folder}/access.log"}}
            server["logs"] = {}
        config.write_text(json.dumps({
            "admin": {"disabled": True, "config": {"persist": False}},
            "logging": {"logs": logs},
            "apps": {
                "http": {"servers": {
                    "plain": {"listen": [f"127.0.0.1:{self.plain}"], **server},
                    "secure": {"listen": [f"127.0.0.1:{self.secure}"], **server,
                               "tls_connection_policies": [{"default_sni": "127.0.0.1"}]},
                }},
                "tls": {"certificates": {"load_files": [{"certificate": str(certificate), "key": str(key)}]}},
            },
        }))
        return [self.binary, "run", "--config", config]

    def routes(self):
        web = self.proxy(self.origins.addresses(self.setup.servers))
        sockets = self.proxy([f"127.0.0.1:{self.origins.websocket}"], check=False)
        many = [{"match": [{"path": [f"/route-{n}/*"]}], "handle": [web]} for n in range(1, self.setup.routes)]
        return [{"match": [{"path": ["/ws"]}], "handle": [sockets]}, *many, {"handle": [web]}]

    @staticmethod
    def proxy(addresses, check=True):
        active = {"health_checks": {"active": {"uri": "/health", "interval": "5s", "timeout": "2s"}}} if check else {}
        return {
            "handler": "reverse_proxy", "upstreams": [{"dial": address} for address in addresses],
            "transport": {"protocol": "http", "keep_alive": {"enabled": True, "max_idle_conns_per_host": 1024}},
            "load_balancing": {"selection_policy": {"policy": "least_conn"}}, **active,
        }
