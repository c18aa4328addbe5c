"""Ten minutes with lbd, followed to the letter: the blocks of docs/tour.md in their order, by bash, in an empty directory.

    tests/acceptance/tour.py docs/tour.md       with lbd and lbctl on the PATH; how they came there is not its matter

The tour's ports must be free: packaging/deb/check gives it a network of its own. What a person does between the blocks is
done here, too: `lbd run` in a terminal of its own, a file saved, a moment waited until what was saved is live.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

DEADLINE = 60


class Stumble(Exception):
    pass


class Traveller:
    def __init__(self, home):
        self.home = home
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("LBD_")}
        self.groups = []

    def shell(self, text):
        """Runs a block as somebody types it; what it prints. What it exports stays."""
        kept = os.path.join(self.home, ".environment")
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen(
                ["bash", "-c", f"set -e\n{text}\nenv -0 > {kept}"], cwd=self.home, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
            self.groups.append(process.pid)
            code = process.wait(DEADLINE)
            out.seek(0)
            said = out.read().decode(errors="replace")
        print(said, end="", flush=True)
        if code != 0:
            raise Stumble(f"it ends with {code}")
        with open(kept, "rb") as file:
            pairs = [entry.split("=", 1) for entry in file.read().decode().split("\0") if "=" in entry]
        self.environment = dict(pairs)
        return said

    def terminal(self, text):
        """Runs a block that stays in the foreground, in a terminal of its own."""
        log = open(os.path.join(self.home, "terminal.log"), "wb")
        process = subprocess.Popen(["bash", "-c", f"exec {text.strip()}"], cwd=self.home, env=self.environment,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        self.groups.append(process.pid)
        return process

    def generation(self):
        answer = subprocess.run(["lbctl", "--json", "status"], cwd=self.home, env=self.environment,
                                capture_output=True, timeout=DEADLINE)
        return json.loads(answer.stdout)["config"]["generation"] if answer.returncode == 0 else None

    def until(self, what, look):
        end = time.monotonic() + DEADLINE
        while not look():
            if time.monotonic() > end:
                raise Stumble(f"waited {DEADLINE} s in vain: {what}")
            time.sleep(0.05)

    def up(self):
        """What a person sees in `lbctl status` before going on."""
        socket = os.path.join(self.home, "control.sock")
        self.until("lbd answers", lambda: os.path.exists(socket))
        for server in ("one", "two"):
            waited = subprocess.run(["lbctl", "--socket", socket, "--timeout", f"{DEADLINE}s", "server", "wait",
                                     f"app/{server}", "--for", "up"], env=self.environment, timeout=DEADLINE + 5)
            if waited.returncode != 0:
                raise Stumble(f"app/{server} is not up")

    def go_home(self):
        for group in reversed(self.groups):
            try:
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                pass


def blocks(text):
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S)


def answers(said):
    return re.findall(r"this is (one|two)", said)


def judge(block, said):
    """What a reader of the tour is promised."""
    if "lbd --version" in block and not re.search(r"^lbd \d+\.\d+", said, re.M):
        raise Stumble("lbd --version tells no version")
    if "lbd lint" in block and re.search(r"^(error|warning|hint)\[", said, re.M):
        raise Stumble("the configuration of the tour has findings")
    # Which of them takes a new client first is not promised.
    if "lbctl status" in block and "curl" in block and "drain" not in block and len(answers(said)) != 2:
        raise Stumble("new clients are not answered")
    if "--cookie-jar" in block and (len(answers(said)) != 3 or len(set(answers(said))) != 1):
        raise Stumble("a client does not stay with its server")
    if "lbctl drain" in block and answers(said) != ["two"]:
        raise Stumble("a new client went to a server that drains")
    if "/hello" in block and "curl" in block and "hello\n" not in said:
        raise Stumble("the new route does not answer")


def main(path):
    with open(path) as file:
        parts = blocks(file.read())
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        traveller, daemon = Traveller(home), None
        try:
            for language, block in parts:
                print(f"--- {language}\n{block.rstrip()}\n---", flush=True)
                config = os.path.join(home, "lbd.kdl")
                if language == "kdl":
                    with open(config, "w") as file:
                        file.write(block)
                elif language == "text":
                    before = traveller.generation()
                    with open(config, "a") as file:
                        file.write(block)
                    traveller.until("the edit is live", lambda: traveller.generation() not in (None, before))
                elif block.startswith("lbd run"):
                    daemon = traveller.terminal(block)
                    traveller.up()
                else:
                    own = [line for line in block.splitlines() if not line.startswith(("cargo ", "sudo "))]
                    judge(block, traveller.shell("\n".join(own)))
            daemon.send_signal(signal.SIGINT)
            if daemon.wait(DEADLINE) != 0:
                raise Stumble(f"lbd ended with {daemon.returncode}")
        except (Stumble, subprocess.TimeoutExpired) as stumble:
            log = os.path.join(home, "terminal.log")
            if os.path.exists(log):
                with open(log) as file:
                    print(f"=== what lbd said\n{file.read()}", file=sys.stderr)
            print(f"the tour stumbles: {stumble}", file=sys.stderr)
            return 1
        finally:
            traveller.go_home()
    print(f"the tour was followed to its end in {time.monotonic() - began:.0f} s: {len(parts)} blocks")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
