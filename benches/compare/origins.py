"""The servers behind the proxies: nginx for HTTP, a small echo server for WebSockets. They run on the load's core."""

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from machine import LOAD_CORE, free_port, pinned
from peers.proxy import Origins

HERE = Path(__file__).parent
MOST_SERVERS = 200


def certificate(folder):
    """One ECDSA certificate for all proxies."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "30",
               "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


class Running:
    """Both, started; `addresses` says where they are."""

    def __init__(self, folder):
        self.folder = folder / "origin"
        files = self.folder / "files"
        files.mkdir(parents=True)
        for name, size in (("1k", 1 << 10), ("64k", 64 << 10), ("1m", 1 << 20), ("100m", 100 << 20)):
            (files / name).write_bytes(b"x" * size)
        self.addresses = Origins(free_port(), free_port())
        listens = "\n".join(
            f"    listen {self.addresses.address(n)} backlog=4096;" for n in range(MOST_SERVERS))
        config = self.folder / "nginx.conf"
        config.write_text(f"""# Written by benches/compare.
user root;
worker_processes 1;
daemon off;
pid {self.folder}/nginx.pid;
error_log {self.folder}/error.log;
worker_rlimit_nofile 20000;
events {{ worker_connections 10000; }}
http {{
  access_log off;
  sendfile on;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_max_body_size 0;
  client_body_temp_path {self.folder}/body;
  proxy_temp_path {self.folder}/proxy;
  fastcgi_temp_path {self.folder}/fastcgi;
  uwsgi_temp_path {self.folder}/uwsgi;
  scgi_temp_path {self.folder}/scgi;
  open_file_cache max=100;
  server {{
{listens}
    root {files};
    location = /1k {{ return 200 "{'x' * 1024}"; }}
    location = /health {{ return 200 "ok"; }}
    # The whole body is read before the answer comes.
    location = /upload {{
      client_body_buffer_size 2m;
      proxy_pass http://{self.addresses.address(0)}/health;
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }}
    location ~ /1k$ {{ return 200 "{'x' * 1024}"; }}
  }}
}}
""")
        self.processes = [
            self.spawn(["nginx", "-c", config]),
            self.spawn([sys.executable, HERE / "websockets.py", "serve", self.addresses.websocket]),
        ]
        self.wait()

    def spawn(self, command):
        log = (self.folder / "log").open("a")
        return subprocess.Popen(pinned(LOAD_CORE, command), stdout=log, stderr=log)

    def wait(self):
        end = time.monotonic() + 20
        for port in (self.addresses.http, self.addresses.websocket):
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                    break
                except urllib.error.HTTPError:
                    break
                except OSError:
                    if time.monotonic() > end:
                        raise RuntimeError(f"no origin on port {port}; see {self.folder}/log") from None
                    time.sleep(0.05)

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(10)
