"""Envoy."""

import json

from .proxy import Proxy

TYPE = "type.googleapis.com/envoy.extensions"


def port(address):
    host, number = address.split(":")
    return {"socket_address": {"address": host, "port_value": int(number)}}


class Envoy(Proxy):
    seldom = True

    def command(self):
        config = self.folder / "envoy.json"
        config.write_text(json.dumps({
            "static_resources": {
                "listeners": [self.listener("plain", self.plain), self.listener("secure", self.secure, tls=True)],
                "clusters": [
                    self.cluster("web", self.origins.addresses(self.setup.servers),
                                 {"http_health_check": {"path": "/health"}}),
                    self.cluster("sockets", [f"127.0.0.1:{self.origins.websocket}"], {"tcp_health_check": {}}),
                ],
            },
        }))
        workers = str(self.setup.workers)
        return [self.binary, "-c", config, "--concurrency", workers, "--disable-hot-restart", "-l", "warning"]

    def cluster(self, name, addresses, check):
        most = {"max_connections": 20000, "max_pending_requests": 20000, "max_requests": 20000}
        endpoints = [{"endpoint": {"address": port(address)}} for address in addresses]
        return {
            "name": name, "type": "STATIC", "lb_policy": "LEAST_REQUEST", "connect_timeout": "5s",
            "circuit_breakers": {"thresholds": [most]},
            "health_checks": [{
                "timeout": "2s", "interval": "5s", "unhealthy_threshold": 3, "healthy_threshold": 1, **check,
            }],
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        }

    def listener(self, name, number, tls=False):
        paths = [("/ws", "sockets"), *((f"/route-{n}", "web") for n in range(1, self.setup.routes)), ("/", "web")]
        routes = [{"match": {"prefix": path}, "route": {"cluster": pool, "timeout": "0s"}} for path, pool in paths]
        manager = {
            "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name, "codec_type": "AUTO", "use_remote_address": True,
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
            "http_filters": [{"name": "envoy.filters.http.router",
                              "typed_config": {"@type": f"{TYPE}.filters.http.router.v3.Router"}}],
        }
        if self.setup.access_log:
            manager["access_log"] = [{"name": "envoy.access_loggers.file", "typed_config": {
                "@type": f"{TYPE}.access_loggers.file.v3.FileAccessLog", "path": f"{self.folder}/access.log"}}]
        chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        if tls:
            certificate, key = self.certificate()
            chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": {
                "@type": f"{TYPE}.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                    "tls_certificates": [{"certificate_chain": {"filename": str(certificate)},
                                          "private_key": {"filename": str(key)}}],
                }}}
        return {"name": name, "address": port(f"127.0.0.1:{number}"), "filter_chains": [chain]}
