//! The real `lbd` in a directory of its own, on ports that nobody else has, killed when dropped.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::{DEADLINE, Message, Tail, eventually, mutant};

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    dir: TempDir,
    address: SocketAddr,
    /// What stands in its `listen` node.
    listen: String,
    /// What stands after the socket in its `control` node.
    control: String,
    log: Arc<Mutex<Vec<u8>>>,
    /// Bound and never listening: it keeps the port ours while the daemon shares it.
    _port: Socket,
}

impl Daemon {
    /// Runs `kdl` on one worker, after a `listen` and a `control` node of its own, and waits for the listener.
    pub(crate) fn run(kdl: &str) -> Self {
        Self::run_with(1, kdl)
    }

    /// The same on more workers.
    pub(crate) fn run_with(workers: usize, kdl: &str) -> Self {
        Self::launch(&["--workers", &workers.to_string()], "", kdl)
    }

    /// The same with these options of `lbd run`.
    pub(crate) fn run_args(args: &[&str], kdl: &str) -> Self {
        Self::launch(args, "", kdl)
    }

    /// The same on one worker, with nodes inside `listen`.
    pub(crate) fn listening(listen: &str, kdl: &str) -> Self {
        Self::launch(&["--workers", "1"], listen, kdl)
    }

    /// The same on one worker, with more in the `control` node.
    pub(crate) fn controlled(control: &str, kdl: &str) -> Self {
        Self::launch_with(&["--workers", "1"], "", control, kdl)
    }

    /// One that keeps nothing: it has no state directory.
    pub(crate) fn forgetful(kdl: &str) -> Self {
        Self::launch_as(false, &["--workers", "1"], "", "", kdl)
    }

    fn launch(args: &[&str], listen: &str, kdl: &str) -> Self {
        Self::launch_with(args, listen, "", kdl)
    }

    fn launch_with(args: &[&str], listen: &str, control: &str, kdl: &str) -> Self {
        Self::launch_as(true, args, listen, control, kdl)
    }

    fn launch_as(keeps_state: bool, args: &[&str], listen: &str, control: &str, kdl: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (port, address) = reserve_port();
        std::fs::write(
            dir.path().join("lbd.kdl"),
            mutant::text(preamble(dir.path(), address, listen, control) + kdl),
        )
        .unwrap();
        let log = Arc::default();
        let child = start(dir.path(), keeps_state, args, &log);
        let (listen, control) = (listen.to_owned(), control.to_owned());
        let mut daemon = Self { child, dir, address, listen, control, log, _port: port };
        daemon.wait_until_it_accepts();
        daemon
    }

    fn wait_until_it_accepts(&mut self) {
        eventually("the daemon accepts connections", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("lbd ended with {status}:\n{}", self.log());
            }
            TcpStream::connect(self.address).ok()
        });
    }

    /// Its memory, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most memory that it had so far, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, which: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(which)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Holds all of it, until it is sent [`Signal::CONT`].
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.child.id());
        let stands = |stat: String| stat.contains(") T ");
        eventually("every thread stands still", || {
            let mut threads = std::fs::read_dir(&tasks).unwrap();
            let all = threads
                .all(|one| std::fs::read_to_string(one.unwrap().path().join("stat")).is_ok_and(stands));
            all.then_some(())
        });
    }

    /// Waits for its end; the exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        eventually("the daemon ends", || self.child.try_wait().unwrap()).code()
    }

    /// Starts another one in the same directory, after this one ended, and waits for the listener.
    pub(crate) fn start_again(&mut self) {
        self.child = start(self.dir.path(), true, &["--workers", "1"], &self.log);
        self.wait_until_it_accepts();
    }

    /// Starts another one that is expected to end by itself; the exit code.
    pub(crate) fn start_in_vain(&mut self, options: &[&str]) -> Option<i32> {
        self.child = start(self.dir.path(), true, options, &self.log);
        self.wait()
    }

    /// Its listener.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Saves another configuration as a careful editor does: a new file, renamed over the old one.
    pub(crate) fn save(&self, kdl: &str) {
        let new = self.dir.path().join(".lbd.kdl.new");
        std::fs::write(
            &new,
            mutant::text(preamble(self.dir.path(), self.address, &self.listen, &self.control) + kdl),
        )
        .unwrap();
        std::fs::rename(new, self.config()).unwrap();
    }

    /// The file that it runs.
    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("lbd.kdl")
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }

    /// Waits until it has logged this: what it writes is read by another thread.
    pub(crate) fn says(&self, text: &str) {
        eventually(&format!("{text} is logged"), || self.log().contains(text).then_some(()));
    }

    /// Whether the process is still there.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Asks its control socket; the status and the JSON of the answer.
    pub(crate) fn control(&self, method: &str, path: &str) -> (u16, Value) {
        self.control_with(method, path, &Value::Null)
    }

    /// The same with a body, unless that is null.
    pub(crate) fn control_with(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let mut stream = UnixStream::connect(self.dir.path().join("control.sock")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: lbd\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut answer = Message::read_head(&mut reader).unwrap().expect("an answer of the control socket");
        answer.read_body(&mut reader, Tail::AsSaid).unwrap();
        (answer.status(), serde_json::from_slice(&answer.body).unwrap_or_default())
    }
}

/// The process that answers on a control socket, if any does.
fn serving(socket: &Path) -> Option<Pid> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    stream.write_all(b"GET /v1 HTTP/1.1\r\nHost: lbd\r\nConnection: close\r\n\r\n").ok()?;
    let mut reader = BufReader::new(stream);
    let mut answer = Message::read_head(&mut reader).ok()??;
    answer.read_body(&mut reader, Tail::AsSaid).ok()?;
    let answer: Value = serde_json::from_slice(&answer.body).ok()?;
    Pid::from_raw(answer["pid"].as_i64()?.try_into().ok()?)
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // After an upgrade another process serves. One that was stopped does not answer, and is no other.
        let ours = Pid::from_child(&self.child);
        let frozen = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))
            .is_ok_and(|stat| stat.contains(") T "));
        if !frozen
            && let Some(other) = serving(&self.dir.path().join("control.sock")).filter(|pid| *pid != ours)
        {
            let _ = rustix::process::kill_process(other, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- what lbd said ---\n{}--- end ---", self.log());
        }
    }
}

/// `lbd run` on the files in `dir`.
fn start(dir: &Path, keeps_state: bool, options: &[&str], log: &Arc<Mutex<Vec<u8>>>) -> Child {
    let state = [std::ffi::OsStr::new("--state-dir").to_owned(), dir.join("state").into()];
    let mut child = Command::new(lbd_bin())
        .arg("run")
        .arg(dir.join("lbd.kdl"))
        .args(options)
        .args(state.iter().filter(|_| keeps_state))
        .env_remove("LBD_STATE_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("lbd can be started");
    keep(child.stdout.take().unwrap(), log);
    keep(child.stderr.take().unwrap(), log);
    child
}

/// The binary under test; `LBD_BIN` names another one, so that an installed lbd can be tried as well.
pub(crate) fn lbd_bin() -> PathBuf {
    std::env::var_os("LBD_BIN").map_or_else(|| env!("CARGO_BIN_EXE_lbd").into(), PathBuf::from)
}

fn preamble(dir: &Path, address: SocketAddr, listen: &str, control: &str) -> String {
    format!(
        "listen \"{address}\" name=front {{\n{listen}\n}}\ncontrol socket=\"{0}/control.sock\" read-socket=\"{0}/read.sock\" {control}\n",
        dir.display()
    )
}

/// A loopback port that is ours from now on: whoever asks the kernel for a free one gets another.
pub(crate) fn reserve_port() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().expect("an IPv4 socket has an IPv4 address");
    (socket, address)
}

fn keep(mut from: impl Read + Send + 'static, log: &Arc<Mutex<Vec<u8>>>) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        let mut block = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut block) {
            log.lock().unwrap().extend_from_slice(&block[..length]);
        }
    });
}
