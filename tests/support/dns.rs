//! A real name server (dnsmasq) on a loopback port, whose answers change at run time.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tempfile::TempDir;

use super::eventually;

/// Where Debian has it, which is on no user's path.
const PROGRAM: &str = "/usr/sbin/dnsmasq";

/// The server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Dns {
    child: Child,
    dir: TempDir,
    port: u16,
    ttl: u32,
}

impl Dns {
    /// Starts it with these lines of a hosts file, whose answers hold for `ttl` seconds. Without dnsmasq on this
    /// machine it says so, and the test is skipped.
    pub(crate) fn start(hosts: &[&str], ttl: u32) -> Option<Self> {
        Self::start_with(hosts, ttl, &[])
    }

    /// The same with more options.
    pub(crate) fn start_with(hosts: &[&str], ttl: u32, options: &[&str]) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            eprintln!("SKIPPED: {PROGRAM} is not installed (Debian: dnsmasq-base)");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), hosts);
        Some(eventually("a name server on a free port", || {
            // Below those that the system gives to clients: none of theirs takes its place while it is down.
            let port = fastrand::u16(20_000..32_000);
            start(dir.path(), port, ttl, options).map(|child| (child, port))
        }))
        .map(|(child, port)| Self { child, dir, port, ttl })
    }

    /// The nodes that make lbd ask it.
    pub(crate) fn resolver(&self, props: &str) -> String {
        format!("resolver {props} {{ nameserver \"127.0.0.1:{}\"; }}\n", self.port)
    }

    /// What it answers from now on.
    pub(crate) fn set(&self, hosts: &[&str]) {
        write(self.dir.path(), hosts);
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was, with other answers and options.
    pub(crate) fn start_again(&mut self, hosts: &[&str], options: &[&str]) {
        write(self.dir.path(), hosts);
        self.child =
            eventually("its port is free again", || start(self.dir.path(), self.port, self.ttl, options));
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(dir: &Path, hosts: &[&str]) {
    let new = dir.join("hosts.new");
    std::fs::write(&new, hosts.join("\n") + "\n").unwrap();
    std::fs::rename(new, dir.join("hosts")).unwrap();
}

/// Starts it; none when the port is taken, be it for a moment, by a question that somebody asks.
fn start(dir: &Path, port: u16, ttl: u32, options: &[&str]) -> Option<Child> {
    let mut child = spawn(dir, port, ttl, options);
    if answers(&mut child, port) {
        return Some(child);
    }
    let _ = child.wait();
    None
}

fn spawn(dir: &Path, port: u16, ttl: u32, options: &[&str]) -> Child {
    Command::new(PROGRAM)
        .args(["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root"])
        .args(["--listen-address=127.0.0.1", "--bind-interfaces", "--no-resolv", "--no-hosts"])
        .args(["--local=/test/", "--cache-size=0"])
        .arg(format!("--port={port}"))
        .arg(format!("--local-ttl={ttl}"))
        .arg(format!("--addn-hosts={}", dir.join("hosts").display()))
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Waits until it answers a question for the root; false when it ends instead, for its port is taken.
fn answers(child: &mut Child, port: u16) -> bool {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let question = [&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &b"\x04test\0\x00\x01\x00\x01"[..]].concat();
    eventually("the name server answers or ends", || {
        if child.try_wait().unwrap().is_some() {
            return Some(false);
        }
        let _ = socket.send(&question);
        socket.recv(&mut [0; 512]).is_ok().then_some(true)
    })
}
