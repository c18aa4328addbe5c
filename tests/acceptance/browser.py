"""Headless Chromium by the WebDriver protocol: only what the checks need."""

import json
import subprocess
import time
import urllib.error
import urllib.request

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--ignore-certificate-errors",
]


class Browser:
    """A browser window. Use it with `with`: the driver and the browser end with the block."""

    def __init__(self, directory, port):
        self.directory = directory
        self.base = f"http://127.0.0.1:{port}"
        self.log = open(f"{directory}/chromedriver.log", "ab")
        self.driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL
        )
        self.session = None

    def __enter__(self):
        deadline = time.monotonic() + 120
        while True:
            try:
                if self.ask("GET", "/status")["ready"]:
                    break
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise RuntimeError("chromedriver does not answer")
            time.sleep(0.1)
        wanted = {
            "acceptInsecureCerts": True,
            "goog:loggingPrefs": {"browser": "SEVERE"},
            "goog:chromeOptions": {"args": [*FLAGS, f"--user-data-dir={self.directory}/profile"]},
        }
        self.session = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        return self

    def __exit__(self, *_):
        try:
            if self.session:
                self.ask("DELETE", f"/session/{self.session}")
        except OSError:
            pass
        self.driver.terminate()
        self.driver.wait()
        self.log.close()

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.read().decode()[:500]}") from None

    def open(self, url):
        self.ask("POST", f"/session/{self.session}/url", {"url": url})

    def run(self, script):
        """Runs a script in the page; what it returns."""
        return self.ask("POST", f"/session/{self.session}/execute/sync", {"script": script, "args": []})

    def click(self, selector):
        element = self.ask(
            "POST", f"/session/{self.session}/element", {"using": "css selector", "value": selector}
        )
        (identity,) = element.values()
        self.ask("POST", f"/session/{self.session}/element/{identity}/click", {})

    def wait_for(self, script, seconds=60):
        """Runs a script until it returns something true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.run(script)
            if found:
                return found
            time.sleep(0.05)
        raise RuntimeError(f"in vain: {script}")

    def keys(self, *keys):
        """Presses keys one after the other, wherever the focus is."""
        presses = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        body = {"actions": [{"type": "key", "id": "keyboard", "actions": presses}]}
        self.ask("POST", f"/session/{self.session}/actions", body)

    def command(self, name, **parameters):
        """A command of the DevTools protocol."""
        body = {"cmd": name, "params": parameters}
        return self.ask("POST", f"/session/{self.session}/goog/cdp/execute", body)

    def later(self, script):
        """Runs a script that calls `done` with what it returns."""
        body = {"script": f"const done = arguments[0]; {script}", "args": []}
        return self.ask("POST", f"/session/{self.session}/execute/async", body)

    def complaints(self):
        """What the browser said against the page since it was asked last."""
        entries = self.ask("POST", f"/session/{self.session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries]
