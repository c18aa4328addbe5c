"""nginx."""

from .proxy import Proxy


class Nginx(Proxy):
    version_of = ("-v",)

    def command(self):
        config = self.folder / "nginx.conf"
        config.write_text(self.text())
        return [self.binary, "-c", config]

    def text(self):
        servers = "\n".join(f"    server {address};" for address in self.origins.addresses(self.setup.servers))
        locations = "\n".join(
            f"    location /route-{n} {{ proxy_pass http://web; }}" for n in range(1, self.setup.routes))
        log = f"access_log {self.folder}/access.log;" if self.setup.access_log else "access_log off;"
        reuse = " reuseport" if self.setup.workers > 1 else ""
        certificate, key = self.certificate()
        return f"""# Written by benches/compare.
user root;
worker_processes {self.setup.workers};
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
  proxy_request_buffering off;
  proxy_max_temp_file_size 0;
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
    listen 127.0.0.1:{self.plain} backlog=4096{reuse};
    listen 127.0.0.1:{self.secure} ssl http2 backlog=4096{reuse};
    ssl_certificate {certificate};
    ssl_certificate_key {key};
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
