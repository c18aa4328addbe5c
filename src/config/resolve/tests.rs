//! From text to meaning: the examples, the defaults, and each contradiction that is an error.

use std::time::Duration;

use super::super::diagnostic::Severity;
use super::super::model::*;
use super::super::testing::{BASE, errors, findings, good, model_text};
use super::super::values::Rate;
use crate::router::PatternKind;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_smallest_file_means_a_listener_a_pool_and_a_route_with_every_default() {
    let model = good(include_str!("../../../tests/golden/meaning/examples/simple.kdl"));
    let [listener] = model.listeners.as_slice() else { panic!("{:?}", model.listeners) };
    assert_eq!((listener.name.as_ref(), listener.address.ip, listener.address.port), (":80", None, 80));
    assert_eq!((listener.reuse_port, listener.backlog), (true, 1024));
    let limits = Limits {
        max_connections: None,
        max_connections_per_ip: None,
        header_bytes: 65536,
        headers: 128,
        streams: 128,
        min_rate: Some(240),
    };
    assert_eq!(listener.limits, limits);
    let clocks = listener.timeout;
    assert_eq!(
        (clocks.request_header, clocks.keep_alive, clocks.write),
        (10 * SECOND, 75 * SECOND, 60 * SECOND)
    );

    let pool = &model.pools["app"];
    let servers: Vec<_> =
        pool.servers.iter().map(|s| (s.name.as_ref(), s.host.as_ref(), s.port, s.weight)).collect();
    assert_eq!(servers, [("10.0.0.11:8080", "10.0.0.11", 8080, 1), ("10.0.0.12:8080", "10.0.0.12", 8080, 1)]);
    assert_eq!((&pool.balance, pool.sticky.len(), &pool.tls), (&Balance::P2c, 0, &None));
    let health = pool.health.as_ref().unwrap();
    assert_eq!((health.interval, health.down_interval, health.timeout), (5 * SECOND, 5 * SECOND, 2 * SECOND));
    assert_eq!((health.rise, health.fall, health.jitter_percent, health.tls), (2, 3, 10.0, false));
    let Probe::Http { path, method, status, .. } = &health.probe else { panic!("{:?}", health.probe) };
    assert_eq!((path.as_ref(), method.as_ref(), status), ("/healthz", "GET", &StatusSet(vec![(200, 200)])));
    let reuse = Connections {
        http: ServerHttp::Http1,
        idle_timeout: 60 * SECOND,
        max_idle: 1024,
        max_uses: None,
        send_proxy: None,
    };
    assert_eq!(pool.connections, reuse);
    assert_eq!(
        pool.drain,
        Drain {
            deadline: 1800 * SECOND,
            sticky: DrainSticky::Keep,
            close_rate: Rate { count: 50, per: SECOND },
            close_code: 1012
        }
    );

    let [site] = model.sites.as_slice() else { panic!("{:?}", model.sites) };
    let [route] = site.routes.as_slice() else { panic!("{:?}", site.routes) };
    assert_eq!((route.name.as_ref(), &route.action), ("/", &Action::Pool("app".into())));
    let timeouts = Timeouts {
        connect: 5 * SECOND,
        response: 60 * SECOND,
        idle: 60 * SECOND,
        request: None,
        tunnel_idle: Some(3600 * SECOND),
        tunnel_max: None,
    };
    assert_eq!(route.timeout, timeouts);
    assert_eq!((route.retry.attempts, route.retry.budget_percent, route.retry.all_methods), (1, 20.0, false));
    assert_eq!((route.body_limit, route.priority, route.ignore_case), (None, 0, false));

    assert_eq!((model.control.mode, model.control.read_mode, &model.control.socket), (0o660, 0o666, &None));
    assert_eq!((model.reload.watch, model.reload.history, model.reload.poll), (true, 20, 2 * SECOND));
    assert_eq!((model.log.level, model.log.json, &model.log.access), (Level::Info, false, &None));
    assert_eq!(model.lint, LintSettings::default());
}

#[test]
fn a_route_takes_over_what_its_site_and_pool_say() {
    let model = good(
        r#"listen ":80" name=plain
        paths ignore-case=#true
        pool app { server "10.0.0.1:1"; health tcp; timeout connect="1s" response="2s" tunnel-idle=off; }
        site "B.example.com." "a.example.com" {
          request-headers { set x-site "{host}"; }
          allow-from "10.0.0.0/8"
          deny-from "10.1.0.0/16"
          body-limit "1MiB"
          paths merge-slashes=#true
          route "/" pool=app { timeout response="3s"; request-headers { remove x-debug; }; allow-from "10.2.0.0/16" "::1"; }
          route (exact)"/upload" pool=app ignore-case=#false { body-limit off; on plain; }
        }"#,
    );
    let site = &model.sites[0];
    let hosts: Vec<_> = site.hosts.iter().map(AsRef::as_ref).collect();
    assert_eq!(hosts, ["a.example.com", "b.example.com"]);
    assert!(site.paths.ignore_case && site.paths.merge_slashes && !site.paths.reject_encoded_slash);
    let [root, upload] = site.routes.as_slice() else { panic!("{:?}", site.routes) };
    assert_eq!((root.timeout.connect, root.timeout.response), (SECOND, 3 * SECOND));
    assert_eq!((root.timeout.tunnel_idle, root.timeout.idle), (None, 60 * SECOND));
    let site_edit = HeaderEdit::Set { name: "x-site".into(), value: vec![LocationPart::Host], secret: false };
    assert_eq!(root.request_headers, [site_edit.clone(), HeaderEdit::Remove { name: "x-debug".into() }]);
    assert_eq!(upload.request_headers, [site_edit]);
    assert_eq!((root.allow_from.len(), root.allow_from[1].len(), upload.allow_from.len()), (2, 2, 1));
    assert_eq!((root.body_limit, upload.body_limit), (Some(1 << 20), None));
    assert_eq!((root.ignore_case, upload.ignore_case), (true, false));
    assert_eq!((&root.on, upload.on.as_deref()), (&None, Some(&["plain".into()][..])));
    assert_eq!(upload.patterns[0].kind(), PatternKind::Exact);
}

#[test]
fn listeners_start_from_the_top_level_limits_and_trust() {
    let model = good(&format!(
        "{BASE}limits headers=50 header-bytes=\"8KiB\"\ntrust-forwarded \"10.0.0.0/8\"\nlisten \"127.0.0.1:0\" {{ limits headers=60; trust-forwarded \"::1\"; }}"
    ));
    let local = &model.listeners[0];
    assert_eq!(
        (local.name.as_ref(), local.limits.headers, local.limits.header_bytes),
        ("127.0.0.1:0", 60, 8192)
    );
    assert_eq!((local.trust_forwarded.len(), model.listeners[1].trust_forwarded.len()), (2, 1));
}

#[test]
fn what_is_written_beats_a_template_which_beats_the_defaults() {
    let model = good(
        r#"listen ":80"
        defaults { pool { balance random; sticky source-ip; health "/default"; connections max-idle=1; } }
        template t { balance least-requests; health "/template"; server spare "10.0.0.9:1" backup=#true; }
        pool a { server "10.0.0.1:1"; use t; balance round-robin; sticky cookie; }
        pool b { server "10.0.0.2:1"; }
        route "/" pool=a
        route "/b" pool=b"#,
    );
    let path = |pool: &str| match &model.pools[pool].health.as_ref().unwrap().probe {
        Probe::Http { path, .. } => path.to_string(),
        other => format!("{other:?}"),
    };
    let (a, b) = (&model.pools["a"], &model.pools["b"]);
    assert_eq!((&a.balance, path("a").as_str(), a.servers.len()), (&Balance::RoundRobin, "/template", 2));
    assert_eq!((&b.balance, path("b").as_str(), b.servers.len()), (&Balance::Random, "/default", 1));
    assert!(
        matches!(a.sticky.as_slice(), [Sticky::Cookie(c)] if c.name.as_ref() == "lbd-a"),
        "{:?}",
        a.sticky
    );
    assert!(matches!(b.sticky.as_slice(), [Sticky::Table(_)]), "{:?}", b.sticky);
    assert_eq!((a.connections.max_idle, b.connections.max_idle), (1, 1));
}

#[test]
fn files_are_relative_to_the_file_that_names_them() {
    let main = "include \"conf/tls.kdl\"\npool app { server \"10.0.0.1:1\"; tls ca=\"ca.pem\"; }\nroute \"/\" pool=app";
    let tls =
        "listen \":443\" { tls { certificate \"site.pem\"; certificate \"/etc/b.pem\" key=\"b.key\"; }; }";
    let loader =
        super::super::source::MemLoader::new().file("etc/lbd.kdl", main).file("etc/conf/tls.kdl", tls);
    let loaded = super::super::load(std::path::Path::new("etc/lbd.kdl"), &loader);
    let model = loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.report));
    let certificates = &model.listeners[0].tls.as_ref().unwrap().certificates;
    let files: Vec<_> =
        certificates.iter().map(|c| (c.chain.to_str().unwrap(), c.key.to_str().unwrap())).collect();
    assert_eq!(files, [("etc/conf/site.pem", "etc/conf/site.pem"), ("/etc/b.pem", "etc/conf/b.key")]);
    assert_eq!(
        model.pools["app"].tls.as_ref().unwrap().ca.as_deref(),
        Some(std::path::Path::new("etc/ca.pem"))
    );
}

#[test]
fn names_must_exist() {
    errors("route \"/x\" pool=ap", &["LB103 4"]);
    errors("route \"/x\" pool=app { on https; }", &["LB108 4"]);
    errors("route \"/x\" pool=app { on \":80\"; }", &[]);
    errors("route \"/{id}\" { redirect \"/{idd}\"; }", &["LB103 4"]);
    errors("route \"/{id}\" \"/x\" { redirect \"/{id}\"; }", &["LB103 4"]);
    errors("route (regex)#\"^/o/(?<id>\\d+)$\"# { redirect \"/{id}\"; }", &[]);
    errors("site \"a.b\" { response-headers { set x \"{id}\"; }\nroute \"/\" pool=app; }", &["LB103 4"]);
    errors("log { capture path; }", &["LB103 4"]);
    errors(
        "site \"a.b\" { on \":80\"\nroute \"/\" pool=app { on other; }; }\nlisten \":81\" name=other",
        &["LB108 5"],
    );
}

#[test]
fn a_mistake_in_a_definition_is_not_told_again_at_each_reference() {
    errors("pol b { server \"10.0.0.2:1\"; }\nroute \"/b\" pool=b", &["LB101 4"]);
    errors("pool B { server \"10.0.0.2:1\"; }\nroute \"/b\" pool=b", &["LB102 4"]);
    errors("listen \"x\" name=b\nroute \"/b\" pool=app { on b; }", &["LB102 4"]);
    errors("pool \"${nothing}\" { server \"10.0.0.2:1\"; }\nroute \"/b\" pool=b", &["LB111 4"]);
}

#[test]
fn a_secret_is_never_quoted() {
    let text = format!(
        "{BASE}reload settle=\"${{file:/run/secret}}\" history=\"${{file:/run/secret}}\" watch=\"${{file:/run/secret}}\""
    );
    let loader = super::super::source::MemLoader::new().file("lbd.kdl", text).file("/run/secret", "hunter2");
    let loaded = super::super::load(std::path::Path::new("lbd.kdl"), &loader);
    assert_eq!(loaded.report.count(Severity::Error), 3, "{:?}", loaded.report);
    assert!(!format!("{:?}", loaded.report).contains("hunter2"), "{:?}", loaded.report);
}

#[test]
fn identities_are_single() {
    errors("pool app { server \"10.0.0.9:1\"; }", &["LB105 4"]);
    errors("listen \":81\" name=a\nlisten \":82\" name=a", &["LB105 5"]);
    errors("listen \"0.0.0.0:80\"", &["LB701 4"]);
    errors("listen \"127.0.0.1:0\"; listen \"127.0.0.1:0\" name=b; listen \"127.0.0.2:0\"", &["LB701 4"]);
    errors("status \"127.0.0.1:80\"", &["LB701 4"]);
    errors("pool b { server a \"10.0.0.9:1\"; server a \"10.0.0.8:1\"; }", &["LB106 4"]);
    errors("site \"a.b\" { route \"/\" pool=app; }\nsite \"A.b\" { route \"/\" pool=app; }", &["LB213 5"]);
    errors("route \"/a\" name=x pool=app\nroute \"/b\" name=x pool=app", &["LB105 5"]);
    errors("control { grant user=a role=read; grant user=a role=admin; }", &["LB105 4"]);
    errors("paths ignore-case=#true\npaths ignore-case=#true", &["LB105 5"]);
    errors("status \":81\" live=\"/x\" ready=\"/x\"", &["LB105 4"]);
    errors("status \":81\" live=\"/\"", &["LB105 4"]);
    errors("status \":81\" { operate; }", &["LB102 4"]);
    errors("status \":81\" { operate token=\"fifteen letters\"; }", &["LB102 4"]);
    errors("status \":81\" page=#false { operate token=\"sixteen letters!\"; }", &["LB101 4"]);
}

#[test]
fn a_route_does_exactly_one_thing() {
    errors("route \"/x\"", &["LB203 4"]);
    errors("route \"/x\" pool=app { respond 404; }", &["LB203 4"]);
    errors("route \"/x\" { redirect \"/y\"; respond 404; }", &["LB203 4"]);
    errors("route \"/x\" pool=app { split { to app; }; }", &["LB203 4"]);
    errors("route \"/x\" { respond 204 body=\"x\"; }", &["LB102 4"]);
    errors("route \"/x\" { respond 100; }", &["LB102 4"]);
}

#[test]
fn patterns_and_conditions_are_checked() {
    errors("route \"/v{n}/x\" pool=app", &["LB205 4"]);
    errors("route \"x\" pool=app", &["LB205 4"]);
    errors("route (regex)#\"^/(\"# pool=app", &["LB206 4"]);
    errors("route (suffix)\"/x\" pool=app", &["LB102 4"]);
    errors("route (starts-with)\"/Thingworx/WS\" pool=app", &[]);
    errors("route \"/x\" pool=app { match { header a (regex)\"(\"; }; }", &["LB206 4"]);
    errors("route \"/x\" pool=app { match { header a (sufix)\"x\"; }; }", &["LB102 4"]);
    errors("route \"/x\" pool=app { match { method get; }; }", &["LB102 4"]);
    errors("route \"/x\" pool=app { match { }; }", &["LB102 4"]);
    errors("route \"/x\" pool=app { match { client-ip \"10.0.0.300\"; }; }", &["LB102 4"]);
}

#[test]
fn routes_of_equal_right_tie_unless_they_are_disjoint() {
    errors("route \"/\" pool=app", &["LB202 4"]);
    errors("route \"/\" pool=app priority=1", &[]);
    errors("route \"/\" pool=app { match { cookie beta; }; }", &[]);
    errors("route \"/{a}\" pool=app\nroute \"/{b}\" pool=app", &["LB202 5"]);
    let method = |a: &str, b: &str| {
        format!(
            "route \"/x\" pool=app {{ match {{ method {a}; }}; }}\nroute \"/x\" pool=app {{ match {{ method {b}; }}; }}"
        )
    };
    errors(&method("GET", "POST"), &[]);
    errors(&method("GET", "GET"), &["LB202 5"]);
    let on = |a: &str, b: &str| {
        format!(
            "listen \":81\" name=b\nroute \"/x\" pool=app {{ on {a}; }}\nroute \"/x\" pool=app {{ on {b}; }}"
        )
    };
    errors(&on("\":80\"", "b"), &[]);
    errors(&on("\":80\" b", "b"), &["LB202 6"]);
}

#[test]
fn pools_and_checks_make_sense() {
    errors("pool b { health tcp; }", &["LB303 4"]);
    errors("pool b { server \"10.0.0.2:1\" weight=0; }", &["LB303 4"]);
    errors("pool b { server \"10.0.0.2:1\"; balance hash; }", &["LB312 4"]);
    errors("pool b { server \"10.0.0.2:1\"; balance p2c key=path; }", &["LB312 4"]);
    errors("pool b { server \"10.0.0.2:1\"; balance ewma headroom=\"20%\"; }", &["LB312 4"]);
    errors("pool b { server \"10.0.0.2:1\"; passive failure-share=\"0%\"; }", &["LB102 4"]);
    errors("pool b { server \"10.0.0.2:1\"; passive min-requests=5; }", &["LB102 4"]);
    errors("pool b { server \"10.0.0.2:1\"; health \"/\" interval=\"1s\" timeout=\"2s\"; }", &["LB302 4"]);
    errors(
        "pool b { server \"10.0.0.2:1\"; health \"/\" down-interval=\"1s\" timeout=\"2s\"; }",
        &["LB302 4"],
    );
    errors("pool b { server \"10.0.0.2:1\"; health tcp status=200; }", &["LB101 4"]);
    errors("pool b { server \"10.0.0.2:1\"; health \"/\" method=HEAD body=x; }", &["LB102 4"]);
    errors("pool b { server \"10.0.0.2:1\"; health tcp tls=#true; }", &["LB311 4"]);
    errors("pool b { server \"10.0.0.2:1\"; health tcp tls=#true; tls; }", &[]);
    errors("pool b { server \"10.0.0.2\"; }", &["LB102 4"]);
    errors("pool b { server B \"10.0.0.2:1\"; }", &["LB102 4"]);
    errors("pool b { server \"10.0.0.2:1\"; timeout request=\"5s\" response=\"6s\"; }", &["LB502 4"]);
    errors("pool b { server \"10.0.0.2:1\"; timeout request=\"5s\" connect=\"5s\"; }", &["LB502 4"]);
    errors("route \"/x\" pool=app { timeout request=\"5s\"; }", &[]);
}

#[test]
fn cookies_are_ones_that_browsers_keep_and_that_do_not_overwrite_each_other() {
    let pools = |a: &str, b: &str| {
        format!(
            "pool b {{ server \"10.0.0.2:1\"; sticky cookie {a}; }}\npool c {{ server \"10.0.0.3:1\"; sticky cookie {b}; }}\nroute \"/b\" pool=b\nroute \"/c\" pool=c"
        )
    };
    errors(&pools("", ""), &[]);
    errors(&pools("name=S", "name=S"), &["LB401 5"]);
    errors(&pools("name=S path=\"/b\"", "name=S path=\"/c\""), &[]);
    errors(&pools("", "name=lbd-b"), &["LB401 5"]);
    errors(&pools("same-site=none", ""), &["LB403 4"]);
    errors(&pools("same-site=none secure=always", ""), &[]);
    errors(&pools("partitioned=#true", ""), &["LB403 4"]);
    errors(&pools("name=__Host-x secure=always path=\"/b\"", ""), &["LB403 4"]);
    errors(&pools("domain=\"*.example.com\"", ""), &["LB102 4"]);
    errors(&pools("ttl=\"1h\"", ""), &["LB101 4"]);
}

#[test]
fn framing_and_host_are_not_edited() {
    errors("route \"/x\" pool=app { request-headers { set content-length \"1\"; }; }", &["LB212 4"]);
    errors("route \"/x\" pool=app { request-headers { remove transfer-encoding; }; }", &["LB212 4"]);
    errors("route \"/x\" pool=app { request-headers { set host \"a\"; }; }", &["LB212 4"]);
    errors("route \"/x\" pool=app { response-headers { add x \"a\\nb\"; }; }", &["LB709 4"]);
}

#[test]
fn an_empty_or_half_written_file_is_no_configuration() {
    assert_eq!(findings("", Severity::Error), ["LB801 1", "LB801 1"]);
    assert_eq!(findings("// nothing\n", Severity::Error), ["LB801 1", "LB801 1"]);
    assert_eq!(findings("listen \":80\"", Severity::Error), ["LB801 1"]);
    assert_eq!(findings("listen \":80\" { redirect-to-https; }", Severity::Error), [""; 0]);
    assert_eq!(findings("listen \":80\"\nroute \"/\" { respond 200; }", Severity::Error), [""; 0]);
    assert_eq!(findings("pool a { server \"10.0.0.1:1\"; }", Severity::Error), ["LB801 1"]);
}

#[test]
fn lint_turns_warnings_off_and_into_errors_but_never_silences_an_error() {
    let two = "pool b { server \"10.0.0.2:1\"; server \"10.0.0.3:1\"; }\nroute \"/b\" pool=b\n";
    let with = |lint: &str, severity| findings(&format!("{BASE}{two}{lint}"), severity);
    assert_eq!(with("", Severity::Warning), ["LB301 4"]);
    assert_eq!(with("lint { allow LB301 because=\"lab\"; }", Severity::Warning), [""; 0]);
    assert_eq!(with("lint { deny LB301; }", Severity::Error), ["LB301 4"]);
    assert_eq!(with("route \"/\" pool=app\nlint { allow LB202; }", Severity::Error), ["LB202 6"]);
    assert_eq!(with("lint { allow sticky; }", Severity::Error), ["LB102 6"]);
}

#[test]
fn the_order_of_nodes_has_no_meaning() {
    let parts = [
        "listen \":80\"",
        "listen \":81\" name=b",
        "pool a { server y \"10.0.0.2:1\"; server x \"10.0.0.1:1\"; health tcp; }",
        "pool b { server \"10.0.0.3:1\"; health tcp; }",
        "site \"b.c\" { route \"/\" pool=a; }",
        "site \"a.c\" { route \"/\" pool=b; }",
    ];
    let forward = good(&parts.join("\n"));
    let backward = good(&parts.iter().rev().copied().collect::<Vec<_>>().join("\n"));
    let names = |m: &Model| {
        let listeners: Vec<_> = m.listeners.iter().map(|l| l.name.clone()).collect();
        let sites: Vec<_> = m.sites.iter().map(|s| s.hosts.clone()).collect();
        let servers: Vec<_> =
            m.pools.values().flat_map(|p| p.servers.iter().map(|s| s.name.clone())).collect();
        (listeners, sites, servers)
    };
    assert_eq!(names(&forward), names(&backward));
}

#[test]
fn many_routes_are_read_in_a_moment() {
    let mut text = BASE.to_owned();
    for n in 0..5000 {
        text.push_str(&format!("route \"/r/{n}\" pool=app\n"));
    }
    let (model, report) = model_text(&text);
    assert_eq!(model.unwrap_or_else(|| panic!("{:?}", report.findings.first())).sites[0].routes.len(), 5001);
}

#[test]
fn the_documented_cap_on_connections_is_the_one_that_holds() {
    let limits = crate::config::schema::find(None, "limits").expect("it is in the table");
    assert_eq!(
        limits.prop("max-connections").map(|prop| prop.default),
        Some(&*Limits::CONNECTIONS.to_string())
    );
}

#[test]
fn checks_say_what_they_ask_for() {
    let probe = |health: &str| {
        let text = format!("{BASE}pool b {{ server \"10.0.0.2:1\"; {health}; }}\nroute \"/b\" pool=b");
        good(&text).pools["b"].health.clone().expect("a check").probe
    };
    let (service, host, headers): (Name, Option<Name>, _) = ("".into(), None, Vec::new());
    let whole = Probe::Grpc { service, host: host.clone(), headers: headers.clone() };
    assert_eq!(probe("health grpc"), whole);
    let orders =
        Probe::Grpc { service: "shop.Orders".into(), host: Some("a.b".into()), headers: headers.clone() };
    assert_eq!(probe("health grpc \"shop.Orders\" host=\"a.b\""), orders);
    assert_eq!(probe("health websocket"), Probe::WebSocket { path: "/".into(), host, headers });
    let check = |health: &str, expected: &[&str]| {
        errors(&format!("pool b {{ server \"10.0.0.2:1\"; {health}; }}\nroute \"/b\" pool=b"), expected);
    };
    check("health websocket \"ws\"", &["LB102 4"]);
    check("health websocket \"/w s\"", &["LB102 4"]);
    check("health grpc status=200", &["LB101 4"]);
    check("health websocket method=GET", &["LB101 4"]);
    check("health tcp \"/x\"", &["LB101 4"]);
    check("health tcp host=\"a.b\"", &["LB101 4"]);
    check("health \"/x\" \"/y\"", &["LB101 4"]);
    check("health tcp; tls key=\"a.key\"", &["LB101 4"]);
    check("health tcp; tls key=\"a.key\" certificate=\"a.pem\"", &[]);
}

#[test]
fn certificates_of_clients_are_required_unless_it_is_said() {
    let required = |mode: &str| {
        let tls =
            format!("listen \":443\" {{ tls {{ certificate \"a.pem\"; client-ca \"ca.pem\" {mode}; }}; }}");
        let model = good(&format!("{BASE}{tls}"));
        let tls = model.listeners.iter().find_map(|listener| listener.tls.clone()).expect("a TLS listener");
        tls.client_ca.expect("an authority").required
    };
    assert!(required(""));
    assert!(required("mode=require"));
    assert!(!required("mode=request"));
}
