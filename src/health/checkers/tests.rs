//! Checkers against real origins: transitions are told once, reloads disturb nothing that is unchanged.

use std::cell::Cell;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::LocalSet;

use super::*;
use crate::pool::{
    BalanceKind, DrainPolicy, Eligibility, HttpProbe, PoolSettings, ProbeKind, ProbeVersion, ServerSettings,
    Statuses, Why,
};

/// An origin that answers each connection with the status of the moment; 0 closes it without an answer.
struct Origin {
    port: u16,
    status: Rc<Cell<u16>>,
    asked: Rc<Cell<u32>>,
}

impl Origin {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let (status, asked) = (Rc::new(Cell::new(200)), Rc::new(Cell::new(0)));
        let origin = Self { port, status: Rc::clone(&status), asked: Rc::clone(&asked) };
        tokio::task::spawn_local(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                asked.set(asked.get() + 1);
                let mut request = [0; 1024];
                // One small segment; what it says does not matter here.
                let _ = stream.read(&mut request).await;
                if status.get() != 0 {
                    let answer = format!("HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n", status.get());
                    // A checker that was aborted is gone by now.
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
            }
        });
        origin
    }
}

fn spec() -> CheckSpec {
    let probe = HttpProbe {
        method: "GET".into(),
        path: "/ready".into(),
        host: None,
        headers: Vec::new(),
        status: Statuses::one(200),
        body: None,
        drain_status: Some(Statuses::one(404)),
        version: ProbeVersion::Http1,
    };
    CheckSpec {
        probe: ProbeKind::Http(probe),
        interval: Duration::from_millis(5),
        down_interval: Duration::from_millis(5),
        timeout: Duration::from_secs(5),
        rise: 2,
        fall: 3,
        jitter: 0.5,
        port: None,
        initial_up: false,
        tls: None,
        greeting: None,
    }
}

fn pool(ports: &[u16], spec: Option<CheckSpec>, previous: Option<&Pool>) -> Pool {
    let server = |&port: &u16| ServerSettings {
        name: format!("s{port}").into(),
        host: "127.0.0.1".into(),
        port,
        weight: 1,
        backup: false,
        health_port: None,
        limits: crate::pool::ServerLimits::default(),
        origin: None,
    };
    let settings = PoolSettings {
        name: "app".into(),
        servers: ports.iter().map(server).collect(),
        balance: BalanceKind::RoundRobin,
        sticky: Vec::new(),
        check: spec.map(Arc::new),
        drain: DrainPolicy::default(),
        overload: crate::pool::Overload::default(),
        websocket: crate::pool::WebSocketPolicy::default(),
    };
    Pool::new(settings, previous, 1)
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "in time: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_server_goes_up_down_and_drains_as_its_checks_say_and_each_is_told_once() {
    LocalSet::new()
        .run_until(async {
            let origin = Origin::start().await;
            let pool = pool(&[origin.port], Some(spec()), None);
            let server = &pool.members[0].server;
            let events = Events::new();
            let mut checkers = Checkers::new(Arc::clone(&events));
            assert_eq!(server.eligibility(), Eligibility::No(Why::Unchecked));
            checkers.reconcile([&pool]);
            assert_eq!(checkers.len(), 1);
            eventually("up", || server.eligibility() == Eligibility::Ready).await;
            origin.status.set(503);
            eventually("down", || server.eligibility() == Eligibility::No(Why::Down)).await;
            origin.status.set(404);
            eventually("drain", || server.eligibility() == Eligibility::StickyOnly).await;
            origin.status.set(200);
            eventually("up again", || server.eligibility() == Eligibility::Ready).await;
            let asked = origin.asked.get();
            eventually("more checks", || origin.asked.get() > asked + 5).await;
            let told: Vec<_> = events.since(0).iter().map(|event| event.kind).collect();
            assert_eq!(told, ["server.up", "server.down", "server.drain", "server.up"]);
            let down = &events.since(1)[0];
            assert_eq!(down.subject, format!("app/s{}", origin.port));
            assert_eq!(down.data["reason"], "status 503");
            assert_eq!(down.data["from"], "up");
        })
        .await;
}

#[tokio::test]
async fn what_is_unchanged_goes_on_and_what_is_gone_stops() {
    LocalSet::new()
        .run_until(async {
            let (a, b) = (Origin::start().await, Origin::start().await);
            let first = pool(&[a.port, b.port], Some(spec()), None);
            let mut checkers = Checkers::new(Events::new());
            checkers.reconcile([&first]);
            eventually("both up", || first.ready() == 2).await;
            let task = |checkers: &Checkers, port: u16| {
                let name = format!("s{port}");
                checkers.tasks.values().find(|t| *t.task.server.name == *name).map(|t| t.abort.id())
            };
            let (on_a, on_b) = (task(&checkers, a.port), task(&checkers, b.port));

            let second = pool(&[b.port, a.port], Some(spec()), Some(&first));
            checkers.reconcile([&second]);
            assert_eq!((task(&checkers, a.port), task(&checkers, b.port)), (on_a, on_b), "undisturbed");

            let other = CheckSpec { fall: 1, ..spec() };
            let third = pool(&[a.port], Some(other), Some(&second));
            checkers.reconcile([&third]);
            assert_ne!(task(&checkers, a.port), on_a, "another check");
            assert_eq!((task(&checkers, b.port), checkers.len()), (None, 1));
            assert_eq!(third.ready(), 1, "the state is kept");
            let asked = a.asked.get();
            eventually("the new check runs", || a.asked.get() > asked + 3).await;
            let asked = b.asked.get();
            let more = a.asked.get() + 10;
            eventually("a goes on", || a.asked.get() > more).await;
            assert!(b.asked.get() <= asked + 1, "nobody asks b any more");

            let fourth = pool(&[a.port], None, Some(&third));
            checkers.reconcile([&fourth]);
            assert!(checkers.is_empty());
            drop(checkers);
            assert_eq!(fourth.ready(), 1);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn first_checks_are_spread_and_the_interval_holds() {
    LocalSet::new()
        .run_until(async {
            // Bound and not listening: each check fails at once, whatever the clock does.
            let silent = TcpSocket::new_v4().expect("a socket");
            silent.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
            let gone = silent.local_addr().expect("bound");
            let spec = CheckSpec {
                probe: ProbeKind::Tcp,
                interval: Duration::from_secs(5),
                down_interval: Duration::from_secs(50),
                jitter: 0.1,
                ..spec()
            };
            let pool = pool(&[gone.port()], Some(spec), None);
            let mut checkers = Checkers::new(Events::new());
            let begin = Instant::now();
            checkers.reconcile([&pool]);
            let server = &pool.members[0].server;
            eventually("first", || server.health().bad == 1).await;
            assert!(begin.elapsed() < Duration::from_millis(100), "one server waits for no other");
            let first = Instant::now();
            while server.health().bad == 1 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let pause = first.elapsed().as_secs_f64();
            assert!((44.0..56.0).contains(&pause), "{pause} of 50 ± 10 %");
        })
        .await;
}
