//! Servers: looking, weights, maintenance, guards.

use super::*;
use crate::pool::{Eligibility, SessionKind};
use lbctl::protocol::{AdminState, Changed, PoolSummary, Probe, Server, SetAdmin};

fn set(state: AdminState) -> SetAdmin {
    SetAdmin { state, reason: Some("kernel update".into()), ..SetAdmin::default() }
}

async fn put(daemon: &Daemon, server: &str, wish: &SetAdmin) -> Result<Changed, Error> {
    let (pool, name) = server.split_once('/').unwrap();
    daemon.client.send(Method::PUT, &format!("/v1/pools/{pool}/servers/{name}/admin"), wish).await
}

#[test]
fn pools_and_servers_are_shown() {
    run(async |daemon| {
        let pools: Vec<PoolSummary> = daemon.get("/v1/pools").await;
        assert_eq!(pools[0].balance, "round-robin");
        let kinds: Vec<_> = pools[0].sticky.iter().map(|table| table.kind.as_str()).collect();
        assert_eq!(kinds, ["cookie", "source-ip"]);
        let pool: lbctl::protocol::Pool = daemon.get("/v1/pools/app").await;
        assert_eq!(
            pool.servers.iter().map(|server| server.name.as_str()).collect::<Vec<_>>(),
            ["a", "b", "c"]
        );
        let all: Vec<Server> = daemon.get("/v1/servers").await;
        assert_eq!(all.len(), 4);
        let app = daemon.world.pool("app");
        let client = "203.0.113.9:5000".parse().unwrap();
        let session = app.members[0].server.begin().into_session(SessionKind::WebSocket, client);
        session.note(crate::pool::Traffic { bytes: (5, 0), ..Default::default() });
        let server: Server = daemon.get("/v1/pools/app/servers/a").await;
        assert_eq!((server.address.as_str(), server.eligible.as_str()), ("127.0.0.1:8080", "ready"));
        let stream = &server.streams[0];
        assert_eq!(
            (stream.kind.as_str(), stream.client.as_str(), stream.bytes_up),
            ("websocket", "203.0.113.9:5000", 5)
        );
        let server: Server = daemon.reader.get("/v1/pools/app/servers/a").await.unwrap();
        assert_eq!(server.streams[0].client, "203.0.x.x", "who only reads sees half of it");
    });
}

#[test]
fn maintenance_and_back() {
    run(async |daemon| {
        let changed = put(daemon, "app/a", &set(AdminState::Maint)).await.unwrap();
        assert_eq!(changed.server.admin.state, AdminState::Maint);
        assert_eq!(changed.server.admin.reason.as_deref(), Some("kernel update"));
        assert_eq!((changed.server.eligible.as_str(), changed.server.why.as_deref()), ("no", Some("maint")));
        assert_eq!(changed.effect.others, ["b", "c"]);
        let event = &daemon.context.events.since(0)[0];
        assert_eq!((event.kind, event.subject.as_str()), ("server.maint", "app/a"));
        assert_eq!(event.data["reason"], "kernel update");
        assert_eq!(event.data["pid"], std::process::id());
        assert!(event.data["uid"].is_number() && event.actor.is_some());
        let changed = put(daemon, "app/a", &set(AdminState::Ready)).await.unwrap();
        assert_eq!((changed.server.eligible.as_str(), changed.server.admin.reason), ("ready", None));
        assert_eq!(daemon.kinds(), ["server.maint", "server.ready"]);
    });
}

#[test]
fn the_last_server_is_guarded() {
    run(async |daemon| {
        let app = daemon.world.pool("app");
        check(&app, "b", false);
        check(&app, "c", false);
        for state in [AdminState::Drain, AdminState::Maint] {
            let Err(Error::Problem(problem)) = put(daemon, "app/a", &set(state)).await else {
                panic!("not refused: {state:?}")
            };
            assert_eq!((problem.status, problem.exit().code()), (409, 6));
            assert_eq!(problem.subject.as_deref(), Some("app/a"));
            assert!(problem.help[0].contains("lbctl server check app/b"), "{:?}", problem.help);
            assert_eq!(problem.help[1], "--force");
        }
        assert_eq!(app.members[0].eligibility(), Eligibility::Ready, "a refused change changes nothing");
        assert!(daemon.kinds().is_empty());
        let dry = put(daemon, "app/a", &SetAdmin { dry_run: true, ..set(AdminState::Maint) }).await.unwrap();
        assert!(dry.effect.dry_run && dry.effect.guards[0].contains("last server that is up"));
        assert_eq!(app.members[0].eligibility(), Eligibility::Ready, "a dry run changes nothing");
        let forced = put(daemon, "app/a", &SetAdmin { force: true, ..set(AdminState::Maint) }).await.unwrap();
        assert_eq!((forced.server.eligible.as_str(), forced.effect.guards.len()), ("no", 1));
        put(daemon, "app/b", &set(AdminState::Maint)).await.expect("a server that is down may go");
    });
}

#[test]
fn weights_are_changed_and_given_back() {
    run(async |daemon| {
        let path = "/v1/pools/solo/servers/only/weight";
        let put = async |body: &str| -> Result<Changed, Error> {
            daemon.client.call(Method::PUT, path, Some(body.into())).await.unwrap().read()
        };
        let weight = |changed: Changed| (changed.server.weight, changed.server.file_weight);
        assert_eq!(weight(put(r#"{"weight":3}"#).await.unwrap()), (3, 10));
        assert_eq!(weight(put(r#"{"weight":"25%"}"#).await.unwrap()), (3, 10));
        assert_eq!(weight(daemon.client.ask(Method::DELETE, path).await.unwrap()), (10, 10));
        for bad in [
            r#"{"weight":1001}"#,
            r#"{"weight":"x%"}"#,
            r#"{"weight":-1}"#,
            "{}",
            "[",
            r#"{"weight":"99999%"}"#,
        ] {
            assert_eq!(daemon.refused(Method::PUT, path, bad).await, ("bad-request".into(), 400, 2), "{bad}");
        }
        assert_eq!(
            daemon.refused(Method::PUT, path, r#"{"weight":0}"#).await,
            ("last-server".into(), 409, 6)
        );
        assert_eq!(weight(put(r#"{"weight":0,"force":true}"#).await.unwrap()), (0, 10));
        assert_eq!(daemon.kinds(), ["server.weight"; 4]);
    });
}

#[test]
fn one_probe_now() {
    run(async |daemon| {
        let probe: Probe = daemon.client.ask(Method::POST, "/v1/pools/app/servers/a/check").await.unwrap();
        assert_eq!((probe.passed, probe.took_us), (true, 3_000));
        let none = daemon.refused(Method::POST, "/v1/pools/solo/servers/only/check", "").await;
        assert_eq!(none, ("no-check".into(), 409, 1));
    });
}

#[test]
fn wishes_that_make_no_sense_are_refused() {
    run(async |daemon| {
        for body in [
            r#"{"state":"sleep"}"#,
            r#"{"state":"drain","deadline":"soon"}"#,
            r#"{"state":"ready","deadline":"1m"}"#,
            r#"{"state":"drain","typo":1}"#,
            "not json",
            "",
        ] {
            let refused = daemon.refused(Method::PUT, "/v1/pools/app/servers/a/admin", body).await;
            assert_eq!(refused, ("bad-request".into(), 400, 2), "{body}");
        }
        assert!(daemon.kinds().is_empty());
    });
}

#[test]
fn a_change_meant_for_another_generation_is_refused() {
    run(async |daemon| {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        for (tag, status) in [("\"g41\"", "412"), ("\"g42\"", "200"), ("*", "200")] {
            let mut raw = tokio::net::UnixStream::connect(daemon.client.socket()).await.unwrap();
            let body = r#"{"state":"ready"}"#;
            let head = format!(
                "PUT /v1/pools/app/servers/a/admin HTTP/1.1\r\nhost: x\r\nif-match: {tag}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            raw.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            raw.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{tag}: {answer}");
            assert!(answer.contains("lbd-generation: 42"), "{answer}");
        }
        assert_eq!(daemon.kinds().len(), 2);
    });
}
