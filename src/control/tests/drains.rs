//! Drains as a client sees them.

use super::*;
use crate::pool::SessionKind;
use crate::pool::testing::Client as Visitor;
use lbctl::protocol::{Changed, Operation, Phase};

async fn drain(daemon: &Daemon, server: &str, body: &str) -> Operation {
    let path = format!("/v1/pools/app/servers/{server}/admin");
    let reply = daemon.client.call(Method::PUT, &path, Some(body.into())).await.unwrap();
    assert_eq!(reply.status, 202);
    reply.read::<Changed>().unwrap().operation.expect("a drain is an operation")
}

#[test]
fn it_ends_when_requests_and_sessions_have() {
    run(async |daemon| {
        let app = daemon.world.pool("app");
        let request = app.members[0].server.begin();
        let client = "203.0.113.9:5000".parse().unwrap();
        let session = app.members[0].server.begin().into_session(SessionKind::WebSocket, client);
        let begun = drain(daemon, "a", r#"{"state":"drain","reason":"kernel"}"#).await;
        assert_eq!((begun.left.requests, begun.left.sessions, begun.phase), (1, 1, Phase::Settling));
        assert!(begun.deadline.is_some(), "the pool's deadline holds");
        let mut lines = daemon.client.lines(&format!("/v1/operations/{}/events", begun.id)).await.unwrap();
        let seen = async |lines: &mut lbctl::client::Lines, wanted: Phase| loop {
            let now: Operation = lines.next().await.unwrap().expect("the stream goes on");
            if now.phase == wanted {
                return now;
            }
        };
        seen(&mut lines, Phase::InFlight).await;
        let waited: Operation = daemon.get(&format!("/v1/operations/{}?wait=10ms", begun.id)).await;
        assert_eq!(waited.phase, Phase::InFlight);
        drop(session);
        drop(request);
        let last = seen(&mut lines, Phase::Drained).await;
        assert_eq!((last.closed, last.forced, last.left.requests + last.left.sessions), (1, 0, 0));
        assert!(lines.next::<Operation>().await.unwrap().is_none(), "the stream ends with the drain");
        assert_eq!(daemon.kinds(), ["drain.begun", "drain.waiting", "drain.done"]);
        let waited: Operation = daemon.get(&format!("/v1/operations/{}?wait=10s", begun.id)).await;
        assert_eq!((waited.phase, waited.reason.as_deref()), (Phase::Drained, Some("kernel")));
    });
}

#[test]
fn at_the_deadline_sessions_are_closed_and_counted() {
    run(async |daemon| {
        let app = daemon.world.pool("app");
        let client = "203.0.113.9:5000".parse().unwrap();
        let session = app.members[0].server.begin().into_session(SessionKind::WebSocket, client);
        let begun = drain(daemon, "a", r#"{"state":"drain","deadline":"0s","reason":"kernel"}"#).await;
        let closing = session.closed_by_operator().await.clone();
        assert_eq!((closing.code, &*closing.reason), (1012, "kernel"));
        drop(session);
        let ended: Operation = daemon.get(&format!("/v1/operations/{}?wait=10s", begun.id)).await;
        assert_eq!((ended.phase, ended.closed, ended.forced), (Phase::Forced, 1, 1));
        assert_eq!(daemon.kinds().last(), Some(&"drain.forced"));
    });
}

#[test]
fn bringing_the_server_back_cancels_it() {
    run(async |daemon| {
        let app = daemon.world.pool("app");
        let _request = app.members[0].server.begin();
        let first = drain(daemon, "a", r#"{"state":"drain"}"#).await;
        let ready = r#"{"state":"ready"}"#;
        let path = "/v1/pools/app/servers/a/admin";
        daemon.client.call(Method::PUT, path, Some(ready.into())).await.unwrap().read::<Changed>().unwrap();
        let ended: Operation = daemon.get(&format!("/v1/operations/{}?wait=10s", first.id)).await;
        assert_eq!(ended.phase, Phase::Cancelled);
        let second = drain(daemon, "a", r#"{"state":"drain"}"#).await;
        assert_ne!(first.id, second.id);
        let path = format!("/v1/operations/{}", second.id);
        let cancelled: Operation = daemon.client.ask(Method::DELETE, &path).await.unwrap();
        assert_eq!(cancelled.phase, Phase::Cancelled);
        assert_eq!(app.members[0].eligibility(), crate::pool::Eligibility::Ready);
        assert_eq!(daemon.refused(Method::DELETE, &path, "").await, ("conflict".into(), 409, 1));
        let all: Vec<Operation> = daemon.get("/v1/operations").await;
        assert_eq!(
            all.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(),
            [first.id.as_str(), &second.id]
        );
    });
}

#[test]
fn a_second_drain_changes_the_first() {
    run(async |daemon| {
        let app = daemon.world.pool("app");
        let _request = app.members[0].server.begin();
        let first = drain(daemon, "a", r#"{"state":"drain","deadline":"1h"}"#).await;
        let second = drain(daemon, "a", r#"{"state":"drain","deadline":"2h","sticky":"move"}"#).await;
        assert_eq!(first.id, second.id);
        assert!(second.deadline > first.deadline);
        let server: lbctl::protocol::Server = daemon.get("/v1/pools/app/servers/a").await;
        assert_eq!(server.admin.sticky, Some(lbctl::protocol::DrainSticky::Move));
    });
}

#[test]
fn new_clients_go_elsewhere_and_old_ones_stay_or_move() {
    run(async |daemon| {
        let app = daemon.world.pool("app");
        let mut old = Visitor::default();
        let home = old.goes(&app).unwrap().0;
        drain(daemon, &home, r#"{"state":"drain"}"#).await;
        assert_eq!(old.goes(&app).unwrap().0, home, "its client stays");
        drain(daemon, &home, r#"{"state":"drain","sticky":"move"}"#).await;
        assert_ne!(old.goes(&app).unwrap().0, home, "its client moves");
    });
}

#[test]
fn a_server_that_the_file_forgot_is_emptied_without_a_wish() {
    run(async |daemon| {
        let app = daemon.world.pool("app");
        let server = &app.members[0].server;
        let client = "203.0.113.9:5000".parse().unwrap();
        let session = server.begin().into_session(SessionKind::Tunnel, client);
        let policy = crate::pool::DrainPolicy::default();
        let operation = daemon.context.drains.let_go(server, &policy, "removed");
        assert_eq!(
            daemon.context.drains.let_go(server, &policy, "removed").id,
            operation.id,
            "each reload says it again"
        );
        let path = format!("/v1/operations/op_{}", operation.id);
        let shown: Operation = daemon.get(&path).await;
        assert_eq!((shown.verb.as_str(), shown.left.sessions), ("remove", 1));
        assert_eq!(app.members[0].eligibility(), crate::pool::Eligibility::Ready, "the name keeps its wish");
        assert_eq!(daemon.refused(Method::DELETE, &path, "").await, ("conflict".into(), 409, 1));
        drop(session);
        let ended: Operation = daemon.get(&format!("{path}?wait=10s")).await;
        assert_eq!((ended.phase, ended.closed), (Phase::Drained, 1));
    });
}
