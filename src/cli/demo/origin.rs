//! One embedded server of the demonstration: a page with a counter per session, kept in its own memory.
//!
//! It lives on a thread of its own, with a runtime of its own, so that it shares nothing with the
//! balancer but the loopback interface. Every table is bounded. Dropping an [`Origin`] ends it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};

mod app;
mod sessions;

use app::App;

/// Open connections that one server holds at most; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 1024;

/// A running server.
#[derive(Debug)]
pub struct Origin {
    name: &'static str,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Origin {
    /// Starts a server on a free loopback port; `name` is what its page shows.
    ///
    /// # Errors
    ///
    /// When there is no port or no thread to be had.
    pub fn start(name: &'static str) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(format!("demo-{name}"))
            .spawn(move || serve_until(name, listener, stopped))?;
        Ok(Self { name, address, stop: Some(stop), thread: Some(thread) })
    }

    /// What its page shows.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic in there was printed by its own thread; there is nothing to add.
            let _ = thread.join();
        }
    }
}

fn serve_until(name: &'static str, listener: std::net::TcpListener, stopped: oneshot::Receiver<()>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(name, %error, "demo server has no runtime"),
    };
    LocalSet::new().block_on(&runtime, async move {
        tokio::select! {
            _ = stopped => {}
            () = accept(name, listener) => {}
        }
    });
}

async fn accept(name: &'static str, listener: std::net::TcpListener) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(name, %error, "demo server cannot listen"),
    };
    let app = Rc::new(App::new(name));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn_local(Rc::clone(&app).serve(stream));
                }
                Err(error) => {
                    // Out of descriptors, most likely: the next try must not spin.
                    tracing::warn!(name, %error, "demo server cannot accept");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
        }
    }
}
