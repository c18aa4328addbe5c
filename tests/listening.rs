//! What a listener does below HTTP: PROXY headers in and out, and connections that are passed on as they are.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::{DEADLINE, Daemon, eventually};

mod passing;
mod proxy_in;
mod proxy_out;
mod sni;

/// A server below HTTP: each connection is a script's, and what came first on it is remembered.
struct Raw {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Raw {
    /// Does as `script` says with each connection. The script tells what it saw.
    fn run(
        script: impl Fn(&mut TcpStream, &mut dyn FnMut(&[u8])) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Vec<u8>>>>::default());
        let (script, shared) = (Arc::new(script), Arc::clone(&seen));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&shared));
                std::thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(DEADLINE));
                    // An error is a peer that went away, which is often what the test wants.
                    let _ = script(&mut stream, &mut |bytes| seen.lock().unwrap().push(bytes.to_vec()));
                });
            }
        });
        Self { address, seen }
    }

    /// Says its name at once, a line, then sends back what it gets.
    fn echo(name: &'static str) -> Self {
        Self::run(move |stream, _| {
            stream.write_all(name.as_bytes())?;
            stream.write_all(b"\n")?;
            let mut block = [0; 4096];
            loop {
                match stream.read(&mut block)? {
                    0 => return Ok(()),
                    n => stream.write_all(&block[..n])?,
                }
            }
        })
    }

    fn seen(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap().clone()
    }
}

/// Reads until the bytes end so.
fn read_until(stream: &mut TcpStream, end: &[u8]) -> io::Result<Vec<u8>> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(end) {
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    Ok(bytes)
}

/// A pool of servers named `s0`, `s1` and so on.
fn pool(name: &str, servers: &[SocketAddr], inside: &str) -> String {
    let server = |(n, address): (usize, &SocketAddr)| format!("  server s{n} \"{address}\"\n");
    let servers: String = servers.iter().enumerate().map(server).collect();
    format!("pool {name} {{\n{servers}  balance round-robin\n{inside}\n}}\n")
}

/// A line of version 1 that names this client and a port of 443.
fn line(client: &str) -> String {
    format!("PROXY TCP4 {client} 192.0.2.1 4711 443\r\n")
}

/// Waits for an access-log line that has all of these.
fn logged(daemon: &Daemon, parts: &[&str]) -> String {
    eventually("the access log tells of it", || {
        let log = daemon.log();
        log.lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
    })
}
