#!/usr/bin/env python3
"""The page of `status` in headless Chromium: in each state, at 360 and 1920 pixels, light and dark.

  LBD_BIN=target/release/lbd tests/acceptance/page.py [--screenshots DIR]

Clicks and types its way through it, and has axe-core look for barriers in every state. Says what was seen and exits 0,
or tells what is wrong and exits 1. Without a network axe-core cannot be fetched: that part is skipped, loudly.
"""

import argparse
import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from balancer import end, free_ports, wait_until  # noqa: E402
from browser import Browser  # noqa: E402
from origin import Answering, serve  # noqa: E402

AXE = "4.14.1"
AXE_SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
TOKEN = "correct-horse-battery-staple"
WIDTHS = (360, 1920)
TAB, ENTER, ESCAPE = "\ue004", "\ue007", "\ue00c"

OWN = """status "127.0.0.1:{status}" drain-delay="0s" {{ operate token="${{file:{dir}/page.token}}"; }}
control socket="{dir}/control.sock"
"""
EMPTY = OWN + """listen "127.0.0.1:{front}" name=web
route "/" {{ respond 200 body="soon"; }}
"""
FULL = OWN + """listen "127.0.0.1:{front}" name=web {{ trust-forwarded "127.0.0.1"; }}
pool app {{
  server a "127.0.0.1:{a}"
  server b "127.0.0.1:{b}"
  server c "127.0.0.1:{c}"
  sticky cookie
  drain close-rate="1/m"
  health "/ready" interval="1s" timeout="1s" rise=2 fall=5
}}
// lint-allow LB301: nobody answers there, and nobody is sent there
pool devices {{
{devices}  balance least-requests
  sticky source-ip ttl="1h"
}}
pool canary {{ server one "127.0.0.1:{c}"; }}
site "shop.example.com" "www.shop.example.com" {{
  route "/" pool=app
  route "/api" pool=app {{ match {{ header x-api-key; method POST; }}; }}
  route "/devices/{{id}}/stream" name=streams pool=devices
}}
route "/new" pool=canary
route "/old" {{ redirect "/new" status=308; }}
route "/" pool=app
"""


class Wrong(Exception):
    """The page is not as it must be."""


def require(condition, detail):
    if not condition:
        raise Wrong(detail)


class Origin(Answering):
    """A server that is ready, or says that it is not."""

    def do_GET(self):
        if "Upgrade" in self.headers:
            return self.open_websocket()
        self.send_response(self.server.ready if self.path == "/ready" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


def origin(port):
    server = serve(port, Origin)
    server.ready = 200
    return server


class Lbd:
    """The daemon whose page it is."""

    def __init__(self, directory):
        self.dir = Path(directory)
        names = ("status", "front", "a", "b", "c")
        self.ports = dict(zip(names, free_ports(len(names))))
        self.origins = {name: origin(self.ports[name]) for name in "abc"}
        devices = "".join(f'  server d{n:03} "127.0.1.{n}:{self.ports["a"]}"\n' for n in range(1, 201))
        self.values = {"dir": self.dir, "devices": devices, **self.ports}
        (self.dir / "page.token").write_text(TOKEN + "\n")
        (self.dir / "page.token").chmod(0o600)
        self.save(FULL)
        self.log = open(self.dir / "log", "wb")
        self.process = None

    @property
    def page(self):
        return f"http://127.0.0.1:{self.ports['status']}/"

    def save(self, template):
        new = self.dir / "new~"
        new.write_text(template.format(**self.values))
        new.rename(self.dir / "lbd.kdl")

    def start(self):
        lbd = os.path.abspath(os.environ.get("LBD_BIN", "target/release/lbd"))
        command = [lbd, "run", str(self.dir / "lbd.kdl"), "--state-dir", str(self.dir / "state"), "--workers", "1"]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        wait_until("lbd answers", self.answers)

    def answers(self):
        require(self.process.poll() is None, "lbd ended: " + (self.dir / "log").read_text())
        try:
            socket.create_connection(("127.0.0.1", self.ports["status"]), 1).close()
            return True
        except OSError:
            return False

    def visit(self, times):
        for _ in range(times):
            with socket.create_connection(("127.0.0.1", self.ports["front"]), 10) as stream:
                stream.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                while stream.recv(65536):
                    pass

    def open_websockets(self, count):
        """Opens so many; they end when they are dropped."""
        opened = []
        for _ in range(count):
            stream = socket.create_connection(("127.0.0.1", self.ports["front"]), 30)
            stream.sendall(
                b"GET /live HTTP/1.1\r\nHost: any\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            require(b" 101 " in stream.recv(4096), "a WebSocket is not opened")
            opened.append(stream)
        return opened

    def stop(self):
        end(self.process, 15)


def fetch_axe(directory):
    """axe-core from npm's registry, if it is what it was; None without a network."""
    name = f"axe-core-{AXE}.tgz"
    file = Path(directory) / name
    if not shutil.which("npm"):
        return None
    pack = ["npm", "pack", "--silent", f"axe-core@{AXE}"]
    try:
        subprocess.run(pack, cwd=directory, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return None
    if not file.exists():
        return None
    found = base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
    require(found == AXE_SHA512, f"{name} is not the file that it was: sha512 {found}")
    with tarfile.open(file) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


class Viewer:
    """A browser on the page, and what it must always be."""

    def __init__(self, browser, axe, shots):
        self.browser, self.axe, self.shots = browser, axe, shots
        self.looked = 0

    def text(self, selector):
        return self.browser.run(f"return document.querySelector({json.dumps(selector)})?.innerText ?? ''")

    def until(self, selector, words):
        """Waits until that part says this."""
        script = f"return (document.querySelector({json.dumps(selector)})?.innerText ?? '').includes({json.dumps(words)})"
        try:
            self.browser.wait_for(script)
        except RuntimeError:
            raise Wrong(f"{selector} never says {words!r}, but {self.text(selector)[:400]!r}") from None

    def press(self, words, within="body"):
        """Clicks the button of these words, as a user does."""
        mark = (
            f"const all = [...document.querySelector({json.dumps(within)}).querySelectorAll('button')];"
            f"const one = all.find(b => b.innerText.trim() === {json.dumps(words)} && b.offsetParent !== null);"
            "if (one) { document.querySelectorAll('[data-aim]').forEach(b => b.removeAttribute('data-aim')); one.dataset.aim = ''; }"
            "return Boolean(one)"
        )
        try:
            self.browser.wait_for(mark)
        except RuntimeError:
            raise Wrong(f"there is no button {words!r} in {within}") from None
        self.browser.click("[data-aim]")

    def is_open(self, dialog):
        return self.browser.run(f"return document.querySelector({json.dumps(dialog)}).open")

    def theme(self, wanted):
        """By its button, unless a dialog is before it."""
        if self.browser.run("return document.querySelector('dialog[open]') !== null"):
            return self.browser.run(f"document.documentElement.dataset.theme = '{wanted}'")
        for _ in range(3):
            if self.browser.run("return document.documentElement.dataset.theme") == wanted:
                return
            self.browser.click("#theme")
        raise Wrong(f"no click makes the page {wanted}")

    def size(self, width, height=1080):
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.command("Emulation.setDeviceMetricsOverride", **screen)

    def look(self, state, barriers=True):
        """The page in this state: both widths, both themes; and whether something bars anybody from it."""
        for width in WIDTHS:
            self.size(width, 800 if width < 600 else 1080)
            for theme in ("light", "dark"):
                self.theme(theme)
                where = f"{state} at {width} px, {theme}"
                wide = self.browser.run("return document.documentElement.scrollWidth - innerWidth")
                require(wide <= 0, f"{where}: {wide} px too wide")
                if barriers:
                    self.barriers(where)
                self.shoot(f"{state}-{width}-{theme}".replace(" ", "-"))
        self.size(1920)

    def barriers(self, where):
        if not self.axe:
            return
        self.browser.run(f"if (!window.axe) {{ {self.axe} }}; return 1")
        found = self.browser.later(
            "axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations.map(v =>"
            " `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' ' + (n.any[0]?.message ?? '')).join(' | ')}`)))"
        )
        require(not found, f"{where}: {len(found)} barriers:\n" + "\n".join(found))
        self.looked += 1

    def heard(self, *expected):
        """What a screen reader is given: each is a role, a name or part of it and, for news, how urgent they are."""
        nodes = []
        for node in self.browser.command("Accessibility.getFullAXTree")["nodes"]:
            if not node.get("ignored"):
                live = [p["value"]["value"] for p in node.get("properties", []) if p["name"] == "live"]
                nodes.append((node["role"]["value"], node.get("name", {}).get("value", ""), *live))
        for role, name, *live in expected:
            found = [n for n in nodes if n[0] == role and name in n[1] and (not live or live[0] in n[2:])]
            require(found, f"nothing says {role} {name!r} {live}, but {[n for n in nodes if n[0] == role]}")
        mute = [n for n in nodes if n[0] in ("button", "link", "textbox", "searchbox", "dialog", "region") and not n[1]]
        require(not mute, f"without a name: {mute}")

    def walk(self):
        """Tab alone leads to everything that can be done, and is seen wherever it is."""
        label = "((e) => e.id || e.getAttribute('aria-label') || e.innerText.trim())"
        every = self.browser.run(
            "document.activeElement.blur(); scrollTo(0, 0);"
            "return [...document.querySelectorAll('button, a[href], input, summary, [tabindex=\"0\"]')]"
            f".filter(e => e.checkVisibility() && !e.disabled).map({label})")
        left = set(every)
        for _ in range(len(every) + 40):
            self.browser.keys(TAB)
            where, outline, shadow = self.browser.run(
                "const e = document.activeElement, s = getComputedStyle(e);"
                f"return [e === document.body ? '' : {label}(e), s.outlineStyle, s.boxShadow]")
            if not where:
                continue  # once around
            require(outline != "none" or shadow != "none", f"the focus is not seen on {where!r}")
            left.discard(where)
            if not left:
                return len(every)
        raise Wrong(f"no Tab leads to {sorted(left)}")

    def shoot(self, name):
        if self.shots:
            shot = self.browser.command("Page.captureScreenshot", format="png")
            (Path(self.shots) / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def fine(lbd, viewer):
    """All is well; search, themes, keys."""
    lbd.visit(40)
    viewer.until("#verdict", "all is well")
    viewer.until("#routes", "streams")
    viewer.until("#pool-list", "3/3 up")
    viewer.browser.wait_for("return document.querySelector('.spark polyline').getAttribute('points').split(' ').length > 2")
    viewer.look("fine")
    viewer.heard(
        ("banner", ""), ("main", ""), ("contentinfo", ""), ("link", "Skip to the pools"),
        ("heading", "lbd"), ("searchbox", "Search and filter everything"), ("region", "Now"),
        ("region", "Pools and servers"), ("region", "Configuration"), ("region", "Events"),
        ("article", "Pool app"), ("table", "Servers of app"), ("columnheader", "State"), ("row", ""), ("button", "Theme"),
        ("status", "", "polite"))
    viewer.walk()
    viewer.browser.keys("/", *"d042")
    viewer.until("#found", "1 pool, 1 server")
    require("d042" in viewer.text("#pool-list") and "d041" not in viewer.text("#pool-list"), "the filter shows other servers")
    viewer.look("filter", barriers=False)
    viewer.browser.keys(ESCAPE)
    viewer.browser.wait_for("return document.querySelector('#found').innerText === ''")
    # 200 servers are folded, and unfold.
    rows = "return document.querySelector('[aria-label=\"Pool devices\"] tbody').children.length"
    require(viewer.browser.run(rows) < 20, "a pool of 200 servers is not folded")
    viewer.press("Show all 200 servers; 197 are not shown")
    viewer.browser.wait_for(rows + " === 200")
    viewer.look("many servers", barriers=False)
    viewer.press("Show only what is notable")


def keyboard(_, viewer):
    """Nothing but keys: to a server, into its dialog, out again, and the focus is where it was."""
    viewer.browser.run("document.activeElement.blur(); scrollTo(0, 0)")
    focused = "return document.activeElement.innerText || document.activeElement.id"
    for _ in range(60):
        viewer.browser.keys(TAB)
        if viewer.browser.run(focused) == "b":
            break
    else:
        raise Wrong("no Tab leads to the server b")
    require(viewer.browser.run("return getComputedStyle(document.activeElement).outlineStyle") != "none", "the focus is not seen")
    viewer.browser.keys(ENTER)
    viewer.until("#server", "app/b")
    viewer.look("server")
    viewer.heard(("dialog", "app/b"), ("button", "Close"))
    viewer.browser.keys(ESCAPE)
    require(not viewer.is_open("#server"), "Escape does not close the dialog")
    require(viewer.browser.run(focused) == "b", "the focus is lost when the dialog closes")


def down(lbd, viewer):
    """A server fails: the page says which, since when and why, and so does its history."""
    lbd.origins["b"].ready = 503
    viewer.until("#verdict", "1 problem")
    viewer.until("#notes", "app/b: down")
    viewer.until("#notes", "503")
    viewer.until("#said", "app/b is down")
    viewer.look("down")
    viewer.heard(("region", "What needs attention"), ("listitem", ""), ("StaticText", "app/b is down"), ("button", "b"))
    viewer.press("b", "[aria-label='Pool app']")
    viewer.until("#server .events", "server.down")
    viewer.look("server down", barriers=False)
    viewer.press("Close", "#server")
    lbd.origins["b"].ready = 200
    viewer.until("#verdict", "all is well")


def draining(lbd, viewer):
    """With the token a server is drained, after the page has said what that does; and brought back by one click."""
    viewer.press("a", "[aria-label='Pool app']")
    require("Drain…" not in viewer.text("#server"), "a reader is offered a change")
    viewer.press("Close", "#server")
    viewer.press("Unlock changes")
    viewer.browser.keys(*"a wrong token of some length", ENTER)
    viewer.until("#token", "not the token")
    viewer.look("token")
    viewer.browser.run("document.querySelector('#secret').select()")
    viewer.browser.keys(*TOKEN, ENTER)
    viewer.browser.wait_for("return !document.querySelector('#token').open")
    websockets = lbd.open_websockets(24)
    viewer.until("#facts", "24 sessions")
    viewer.press("a", "[aria-label='Pool app']")
    viewer.until("#server table", "websocket")
    viewer.look("sessions", barriers=False)
    viewer.press("Drain…", "#server")
    viewer.until("#confirm", "New clients go to b, c.")
    viewer.until("#confirm", "websockets would be closed in about")
    viewer.look("confirm")
    viewer.browser.keys(*"new kernel")
    viewer.press("Drain app/a", "#confirm")
    viewer.browser.wait_for("return !document.querySelector('#confirm').open")
    viewer.press("Close", "#server")
    viewer.until("#toast", "draining app/a")
    viewer.until("[aria-label='Pool app']", "drain, up")
    viewer.until("#attention", "by page: new kernel")
    viewer.until("#drains", "closed")
    viewer.press("Pause", "#drains")
    viewer.until("#drains", "paused")
    viewer.until("#events", "drain.begun")
    viewer.look("draining")
    viewer.press("Bring back", "#drains")
    viewer.press("Bring back app/a", "#confirm")
    viewer.until("#toast", "brought back app/a")
    viewer.until("#verdict", "all is well")
    viewer.press("Dismiss", "#toast")
    list(map(socket.socket.close, websockets))
    # What was done a moment ago is undone by one click.
    viewer.press("c", "[aria-label='Pool app']")
    viewer.press("Maintenance…", "#server")
    viewer.press("Stop app/c", "#confirm")
    viewer.press("Close", "#server")
    viewer.until("[aria-label='Pool app']", "maint")
    viewer.press("Undo", "#toast")
    viewer.until("#toast", "brought back app/c")
    viewer.until("#verdict", "all is well")
    viewer.press("Dismiss", "#toast")
    # Guards object, and are heard.
    viewer.press("one", "[aria-label='Pool canary']")
    viewer.press("Drain…", "#server")
    viewer.until("#confirm", "last server")
    require(viewer.browser.run("return document.querySelector('#confirm button.first').disabled"), "the guard is not asked")
    viewer.look("guard", barriers=False)
    viewer.press("Cancel", "#confirm")
    viewer.press("Close", "#server")


def rejected(lbd, viewer):
    """A save with a mistake: the page says what and where, and that the old files go on."""
    lbd.save(FULL + 'route "/x" pool=ap\n')
    viewer.until("#notes", "The files were refused")
    viewer.until("#findings", "LB103")
    viewer.until("#findings", "lbd.kdl:")
    viewer.look("rejected")
    lbd.save(FULL)
    viewer.until("#verdict", "all is well")


def empty(lbd, viewer):
    """No pool is configured; then everything again, and what that changed."""
    lbd.stop()
    lbd.save(EMPTY)
    lbd.start()
    viewer.until("#no-pools", "No pools")
    viewer.until("#verdict", "all is well")
    viewer.look("empty")
    lbd.save(FULL)
    viewer.until("#verdict", "all is well")
    viewer.until("#generations", "watch")
    viewer.browser.click("#generations button")
    viewer.until("#changes", "+ pool app")
    viewer.look("changes")
    viewer.press("Close", "#changes")


def gone(lbd, viewer):
    """lbd stands still, goes on, ends, and is started again."""
    lbd.process.send_signal(signal.SIGSTOP)
    viewer.until("#lost", "has told nothing for")
    viewer.until("#verdict", "no answer")
    lbd.process.send_signal(signal.SIGCONT)
    viewer.browser.wait_for("return document.querySelector('#lost').hidden")
    lbd.stop()
    viewer.until("#lost", "lbd does not answer")
    viewer.until("#verdict", "no answer")
    viewer.look("gone")
    viewer.heard(("alert", "", "assertive"))
    lbd.start()
    viewer.browser.wait_for("return document.querySelector('#lost').hidden")
    viewer.until("#verdict", "all is well")


def run(directory, shots=None):
    """Everything; what was seen, in a sentence."""
    started = time.monotonic()
    lbd = Lbd(directory)
    axe = fetch_axe(directory)
    if not axe:
        print("SKIPPED axe-core: there is no npm here, or it reaches no registry; nothing looks for barriers", file=sys.stderr, flush=True)
    try:
        lbd.start()
        with Browser(directory, free_ports(1)[0]) as browser:
            viewer = Viewer(browser, axe, shots)
            viewer.size(1920)
            browser.open(lbd.page)
            for state in (fine, keyboard, down, draining, rejected, empty, gone):
                state(lbd, viewer)
            # That lbd refused, or was not there, is what was tried.
            complaints = [text for text in browser.complaints() if "Failed to load resource" not in text]
            require(not complaints, f"the browser complains: {complaints}")
    finally:
        lbd.stop()
        lbd.log.close()
    seen = f"no barrier in {viewer.looked} looks" if axe else "barriers were not looked for"
    return f"every state at {' and '.join(map(str, WIDTHS))} px, light and dark, {seen}; {time.monotonic() - started:.0f} s"


def said(directory):
    """The end of what lbd said."""
    return (Path(directory) / "log").read_text(errors="replace")[-3000:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--screenshots", metavar="DIR", help="keep a picture of each state there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lbd-page-") as directory:
        try:
            print(f"ok page {run(directory, arguments.screenshots)}")
        except (Wrong, RuntimeError) as error:
            print(f"FAILED page {error}")
            print(said(directory), file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
