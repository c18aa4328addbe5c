"""Small servers behind lbd, in threads of the check itself."""

import base64
import hashlib
import http.server
import threading


class Answering(http.server.BaseHTTPRequestHandler):
    """Keeps connections, writes no log, and opens WebSockets."""

    protocol_version = "HTTP/1.1"

    def open_websocket(self, answer=None):
        """Says 101 (RFC 6455, 4.2.2), then reads to the end; each message of five bytes gets `answer`, if there is one."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while self.rfile.read(11):  # a masked text of five bytes
            if answer:
                self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Servers(http.server.ThreadingHTTPServer):
    """Says nothing when lbd hangs up: it ends, and is ended, in the middle."""

    daemon_threads = True

    def handle_error(self, *_):
        pass


def serve(port, handler):
    """A running server."""
    server = Servers(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
