//! The daemon, its configuration, routes and events.

use super::*;
use lbctl::protocol as wire;
use lbctl::protocol::{
    Api, ConfigState, Event, Exit, Explanation, Generation, ReloadDone, Report, Route, Status,
};

#[test]
fn it_says_what_it_is() {
    run(async |daemon| {
        let api: Api = daemon.get("/v1").await;
        assert_eq!((api.api.as_str(), api.generation, api.workers), ("1.0", 42, 1));
        assert_eq!((api.pid, api.role), (std::process::id(), wire::Role::Admin));
        let reply = daemon.client.call(Method::GET, "/v1", None).await.unwrap();
        assert_eq!(reply.generation, Some(42), "every reply names the generation");
    });
}

#[test]
fn status_is_one_screen_of_everything() {
    run(async |daemon| {
        let app = daemon.world.pool("app");
        let _request = app.members[0].server.begin();
        check(&app, "b", false);
        let status: Status = daemon.get("/v1/status").await;
        let pools: Vec<_> =
            status.pools.iter().map(|pool| (pool.name.as_str(), pool.up, pool.servers)).collect();
        assert_eq!(pools, [("app", 2, 3), ("solo", 1, 1)]);
        assert_eq!((status.pools[0].in_flight, status.pools[0].sessions), (1, 0));
        let notable: Vec<_> = status.pools[0].notable.iter().map(|server| server.name.as_str()).collect();
        assert_eq!(notable, ["b"]);
        assert_eq!(status.pools[0].notable[0].health.reason.as_deref(), Some("connect refused"));
        assert_eq!((status.listeners[0].connections, status.listeners[0].tls), (3, true));
        assert_eq!(status.config.rejected, None);
        assert_eq!(status.unresolved, []);
        assert_eq!(status.config.warnings[0].code, "LB603");
        daemon.world.broken.set(true);
        let status: Status = daemon.get("/v1/status").await;
        let rejected = status.config.rejected.expect("the files are broken");
        assert_eq!((rejected.attempts, rejected.first.unwrap().code.as_str()), (3, "LB103"));
        let names: Vec<_> = status.unresolved.iter().map(|name| (name.name.as_str(), name.known)).collect();
        assert_eq!(names, [("app.test", 2)]);
    });
}

#[test]
fn metrics_pass_as_they_are() {
    run(async |daemon| {
        let page = daemon.client.text(Method::GET, "/v1/metrics").await.unwrap();
        assert_eq!(page, daemon.world.metrics());
    });
}

#[test]
fn shutdown_asks_the_daemon_once() {
    run(async |daemon| {
        let done =
            daemon.client.call(Method::POST, "/v1/shutdown", Some(br#"{"drain":"5s"}"#.to_vec())).await;
        assert_eq!(done.unwrap().status, 200);
        assert_eq!(*daemon.world.asked.borrow(), ["shutdown 5s"]);
        assert_eq!(daemon.kinds(), ["daemon.shutdown"]);
        let bad = daemon.refused(Method::POST, "/v1/shutdown", r#"{"drain":"soon"}"#).await;
        assert_eq!(bad, ("bad-request".into(), 400, 2));
    });
}

#[test]
fn the_configuration_is_shown_and_read_again() {
    run(async |daemon| {
        let state: ConfigState = daemon.get("/v1/config").await;
        assert_eq!((state.running.number, state.files[0].text.as_str()), (42, "listen 80\n"));
        let history: Vec<Generation> = daemon.get("/v1/config/generations").await;
        assert_eq!(history.iter().map(|one| one.number).collect::<Vec<_>>(), [41, 42]);
        let one: Generation = daemon.get("/v1/config/generations/41").await;
        assert_eq!(one.number, 41);
        let gone = daemon.refused(Method::GET, "/v1/config/generations/7", "").await;
        assert_eq!(gone, ("not-found".into(), 404, 5));
        let done: ReloadDone = daemon.client.ask(Method::POST, "/v1/config/reload").await.unwrap();
        assert_eq!((done.generation, done.changed), (43, true));
        let actor = daemon.context.events.since(0)[0].actor.clone().expect("somebody");
        assert_eq!(*daemon.world.asked.borrow(), [format!("reload by {actor}")]);
    });
}

#[test]
fn refused_files_come_back_with_their_findings() {
    run(async |daemon| {
        daemon.world.broken.set(true);
        let problem = daemon.problem(Method::POST, "/v1/config/reload", "").await;
        assert_eq!((problem.status, problem.exit()), (422, Exit::Failed));
        assert_eq!(problem.findings[0].code, "LB103");
        assert_eq!(problem.rendered.as_deref(), Some("the whole report\n"));
        let report: Report = daemon.get("/v1/config/report").await;
        assert_eq!(report.findings, problem.findings);
    });
}

#[test]
fn routes_are_listed_and_explained() {
    run(async |daemon| {
        let routes: Vec<Route> = daemon.get("/v1/routes").await;
        assert_eq!(routes.iter().map(|route| route.name.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        let ask =
            |body: &'static str| daemon.client.call(Method::POST, "/v1/routes/explain", Some(body.into()));
        let found: Explanation = ask(r#"{"url":"http://example.com/x"}"#).await.unwrap().read().unwrap();
        assert_eq!((found.method.as_str(), found.path.as_str()), ("GET", "/x"));
        assert_eq!(found.route.unwrap().pool.as_deref(), Some("app"));
        let none: Explanation = ask(r#"{"url":"http://example.com/none"}"#).await.unwrap().read().unwrap();
        assert!(none.route.is_none());
        for body in
            [r#"{"url":"x"}"#, r#"{"url":"http://example.com/x","client_ip":"moon"}"#, "{}", r#"{"uri":"/"}"#]
        {
            let bad = daemon.refused(Method::POST, "/v1/routes/explain", body).await;
            assert_eq!(bad, ("bad-request".into(), 400, 2), "{body}");
        }
    });
}

#[test]
fn events_of_the_past_are_filtered_and_end() {
    run(async |daemon| {
        for (kind, subject) in
            [("server.up", "app/a"), ("config.applied", "lbd.kdl"), ("server.down", "app/b")]
        {
            daemon.context.events.emit(kind, subject, serde_json::json!({}), None);
        }
        let read = async |path: &str| {
            let mut lines = daemon.client.lines(path).await.unwrap();
            let mut kinds = Vec::new();
            while let Some(event) = lines.next::<Event>().await.unwrap() {
                kinds.push(event.kind);
            }
            kinds
        };
        assert_eq!(read("/v1/events?follow=false").await, ["server.up", "config.applied", "server.down"]);
        assert_eq!(read("/v1/events?follow=false&kind=server").await, ["server.up", "server.down"]);
        assert_eq!(
            read("/v1/events?follow=false&kind=server.down,config").await,
            ["config.applied", "server.down"]
        );
        assert_eq!(read("/v1/events?follow=false&since=2").await, ["server.down"]);
        assert_eq!(read("/v1/events?follow=false&age_ms=60000").await.len(), 3);
        for bad in ["since=x", "follow=maybe", "age_ms=1s"] {
            let refused = daemon.refused(Method::GET, &format!("/v1/events?{bad}"), "").await;
            assert_eq!(refused, ("bad-request".into(), 400, 2), "{bad}");
        }
    });
}

#[test]
fn events_are_followed_as_they_happen() {
    run(async |daemon| {
        daemon.context.events.emit("server.up", "app/old", serde_json::json!({}), None);
        let mut lines = daemon.client.lines("/v1/events").await.unwrap();
        for subject in ["app/a", "app/b"] {
            daemon.context.events.emit(
                "server.down",
                subject,
                serde_json::json!({ "reason": "x" }),
                Some("ann".into()),
            );
            let event: Event = lines.next().await.unwrap().unwrap();
            assert_eq!((event.subject.as_str(), event.actor.as_deref()), (subject, Some("ann")));
        }
    });
}

#[test]
fn what_is_not_there_is_said() {
    run(async |daemon| {
        let check = async |method: Method, path: &str, expected: (&str, u16, u8)| {
            let (kind, status, exit) = daemon.refused(method, path, "").await;
            assert_eq!((kind.as_str(), status, exit), expected, "{path}");
        };
        let missing = ("not-found", 404, 5);
        let method = ("method-not-allowed", 405, 2);
        check(Method::GET, "/", missing).await;
        check(Method::GET, "/v2/status", missing).await;
        check(Method::GET, "/v1/nothing", missing).await;
        check(Method::GET, "/v1/pools/none", missing).await;
        check(Method::GET, "/v1/pools/app/servers/none", missing).await;
        check(Method::GET, "/v1/operations/op_9", missing).await;
        check(Method::GET, "/v1/operations/nine", missing).await;
        check(Method::GET, "/v1/sticky/solo", missing).await;
        check(Method::POST, "/v1/status", method).await;
        check(Method::GET, "/v1/config/reload", method).await;
        check(Method::POST, "/v1/pools/app/servers/a/weight", method).await;
        check(Method::GET, "/v1/pools/%ff", ("bad-request", 400, 2)).await;
        let problem = daemon.problem(Method::GET, "/v1/pools/app/servers/x", "").await;
        assert_eq!(problem.help, ["servers: a, b, c"]);
    });
}

#[test]
fn what_became_of_a_request_is_told() {
    run(async |daemon| {
        let found: wire::Decision = daemon.get("/v1/requests/4bf92f").await;
        assert_eq!((found.server.as_deref(), found.retries, found.took_us), (Some("a"), 1, 3000));
        assert_eq!(found.client, "203.0.113.9");
        let found: wire::Decision = daemon.reader.get("/v1/requests/4bf92f").await.unwrap();
        assert_eq!(found.client, "203.0.x.x", "who only reads sees half of it");
        let missing = daemon.refused(Method::GET, "/v1/requests/none", "").await;
        assert_eq!(missing, ("not-found".into(), 404, 5));
    });
}

#[test]
fn a_screen_is_fed_look_by_look() {
    run(async |daemon| {
        daemon.context.events.emit("server.up", "app/a", serde_json::json!({}), None);
        let mut looks = daemon.client.lines("/v1/stream?every=200ms").await.unwrap();
        let first: wire::Look = looks.next().await.unwrap().expect("a look at once");
        assert_eq!(first.servers.len(), 4);
        assert_eq!(first.status.pools[0].name, "app");
        assert_eq!(first.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1]);
        daemon.context.events.emit("server.down", "app/b", serde_json::json!({}), None);
        let second: wire::Look = looks.next().await.unwrap().expect("another look");
        assert_eq!(second.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [2], "each event once");
        let bad = daemon.refused(Method::GET, "/v1/stream?every=soon", "").await;
        assert_eq!(bad, ("bad-request".into(), 400, 2));
    });
}

#[test]
fn the_log_has_another_filter_for_a_while() {
    run(async |daemon| {
        let put =
            async |body: &str| daemon.client.call(Method::PUT, "/v1/log", Some(body.into())).await.unwrap();
        assert_eq!(put(r#"{"filter":"debug","for":"5m","reason":"slow"}"#).await.status, 200);
        assert_eq!(put("{}").await.status, 200);
        assert_eq!(*daemon.world.asked.borrow(), ["log Some(\"debug\") 300s", "log None 600s"]);
        assert_eq!(daemon.kinds(), ["daemon.log"; 2]);
        for bad in [r#"{"filter":"="}"#, r#"{"for":"25h"}"#, r#"{"for":"soon"}"#, r#"{"level":"debug"}"#] {
            assert_eq!(
                daemon.refused(Method::PUT, "/v1/log", bad).await,
                ("bad-request".into(), 400, 2),
                "{bad}"
            );
        }
        let now: wire::LogFilter = daemon.get("/v1/log").await;
        assert_eq!((now.filter.as_str(), now.until), ("info", None));
    });
}
