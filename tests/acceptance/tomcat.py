"""One Tomcat in a directory of its own: Debian's, with the examples web app and four small pages.

/counter.jsp   "NODE COUNT": a counter per session, in this Tomcat's memory only
/plain.jsp     "NODE": no session
/ready.jsp     the status in the file `ready-status`, 200 when there is none
/many.html     a page of 500 small scripts, each of which adds one to `dots`
"""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

HOME = Path("/usr/share/tomcat10")
EXAMPLES = Path("/usr/share/tomcat10-examples/examples")

SERVER_XML = """<?xml version="1.0" encoding="UTF-8"?>
<Server port="-1" shutdown="SHUTDOWN">
  <Service name="Catalina">
    <Connector port="{port}" address="127.0.0.1" protocol="HTTP/1.1" maxThreads="150"
               keepAliveTimeout="60000" maxKeepAliveRequests="-1"/>
    <Engine name="Catalina" defaultHost="localhost">
      <Host name="localhost" appBase="webapps" unpackWARs="false" autoDeploy="false">
        <Valve className="org.apache.catalina.valves.AccessLogValve" prefix="access" suffix="" rotatable="false"
               buffered="false" pattern="%{{Via}}i;%{{Upgrade}}i;%U"/>
        <!-- Sessions end with their Tomcat: none is kept in a file. -->
        <Context path="" docBase="ROOT"><Manager pathname=""/></Context>
        <Context path="/examples" docBase="{examples}">
          <Manager pathname=""/><Resources allowLinking="true"/>
        </Context>
      </Host>
    </Engine>
  </Service>
</Server>
"""

COUNTER_JSP = """<%@ page contentType="text/plain; charset=UTF-8" trimDirectiveWhitespaces="true" %><%
  Integer count = (Integer) session.getAttribute("count");
  count = count == null ? 1 : count + 1;
  session.setAttribute("count", count);
  out.println(System.getProperty("acceptance.node") + " " + count);
%>"""

PLAIN_JSP = """<%@ page session="false" contentType="text/plain" trimDirectiveWhitespaces="true" %><%
  out.println(System.getProperty("acceptance.node"));
%>"""

READY_JSP = """<%@ page session="false" contentType="text/plain" trimDirectiveWhitespaces="true" %><%
  java.nio.file.Path file = java.nio.file.Path.of(System.getProperty("catalina.base"), "ready-status");
  int status = 200;
  try { status = Integer.parseInt(java.nio.file.Files.readString(file).trim()); }
  catch (java.io.IOException absent) { }
  response.setStatus(status);
  out.println(status);
%>"""


MANY = 500
MANY_HTML = (
    "<!DOCTYPE html><title>many</title><script>dots = 0; performance.setResourceTimingBufferSize(1000)</script>"
    + "".join(f"<script async src='/dot.js?{n}'></script>" for n in range(MANY))
)


class Tomcat:
    """A Tomcat process. `name` is what its pages answer with."""

    def __init__(self, name, directory, port):
        self.name = name
        self.port = port
        self.base = Path(directory)
        self.process = None
        for child in ("conf", "logs", "temp", "work", "webapps/ROOT"):
            (self.base / child).mkdir(parents=True)
        for conf in ("web.xml", "catalina.properties"):
            (self.base / "conf" / conf).write_bytes((HOME / "etc" / conf).read_bytes())
        (self.base / "conf/server.xml").write_text(SERVER_XML.format(port=port, examples=EXAMPLES))
        for page, text in (("counter", COUNTER_JSP), ("plain", PLAIN_JSP), ("ready", READY_JSP)):
            (self.base / f"webapps/ROOT/{page}.jsp").write_text(text)

        (self.base / "webapps/ROOT/many.html").write_text(MANY_HTML)
        (self.base / "webapps/ROOT/dot.js").write_text("dots += 1")

    def start(self):
        """Starts it; `wait` says when it answers."""
        out = open(self.base / "logs/console", "ab")
        self.process = subprocess.Popen(
            [
                "java", "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                f"-Dcatalina.home={HOME}", f"-Dcatalina.base={self.base}",
                f"-Djava.io.tmpdir={self.base}/temp", f"-Dacceptance.node={self.name}",
                # Without this each start waits for the kernel's entropy.
                "-Djava.security.egd=file:/dev/urandom",
                "-cp", f"{HOME}/bin/bootstrap.jar:{HOME}/bin/tomcat-juli.jar",
                "org.apache.catalina.startup.Bootstrap", "start",
            ],
            stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=self.base,
        )
        out.close()

    def wait(self, seconds=270):
        """Waits until every page was compiled and answers."""
        deadline = time.monotonic() + seconds
        for page in ("/ready.jsp", "/plain.jsp", "/counter.jsp", "/examples/websocket/echo.xhtml"):
            while not self.answers(page):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"tomcat {self.name} does not answer {page}:\n{self.console()}")
                time.sleep(0.1)

    def answers(self, page):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{page}", timeout=20) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def set_ready(self, status):
        """What the ready page answers from now on."""
        new = self.base / "ready-status.new"
        new.write_text(str(status))
        new.rename(self.base / "ready-status")

    def stop(self, seconds=20):
        """Stops it in order."""
        self.process.terminate()
        self.process.wait(seconds)

    def kill(self):
        """kill -9"""
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def accesses(self):
        """What was asked of it: the request's `Via`, its `Upgrade` and its path, each."""
        return [tuple(line.split(";")) for line in (self.base / "logs/access").read_text().splitlines()]

    def console(self):
        return (self.base / "logs/console").read_text(errors="replace")[-4000:]
