//! Each rule: what sets it off, and what does not.

use std::path::Path;

use super::super::diagnostic::Severity;
use super::super::load;
use super::super::source::MemLoader;
use super::super::testing::{BASE, findings, warnings};

const ROUTE: &str = "\nroute \"/b\" pool=b";

#[track_caller]
fn pool(body: &str, expected: &[&str]) {
    warnings(&format!("pool b {{ server \"10.0.0.2:1\"; {body} }}{ROUTE}"), expected);
}

/// A second server and a check, so that nothing is to be said about their absence.
fn two(more: &str) -> String {
    format!("server \"10.0.0.3:1\"; health tcp; {more}")
}

#[test]
fn a_pool_that_no_route_uses() {
    warnings("pool b { server \"10.0.0.2:1\"; }", &["LB104 4"]);
    warnings("listen \":81\" { tcp pool=b; }\npool b { server \"10.0.0.2:1\"; }", &[]);
    pool("", &[]);
}

#[test]
fn a_site_without_a_route_for_everything() {
    warnings("site \"a.b\" { route \"/x\" pool=app; }", &["LB204 4"]);
    warnings("site \"a.b\" { route (exact)\"/\" pool=app; }", &["LB204 4"]);
    warnings("site \"a.b\" { route \"/x\" \"/\" pool=app; }", &[]);
    warnings("site \"a.b\"", &["LB204 4"]);
}

#[test]
fn checks_that_are_missing_nervous_or_slow() {
    pool("server \"10.0.0.3:1\";", &["LB301 4"]);
    pool("server \"10.0.0.3:1\"; health tcp;", &[]);
    pool("health tcp fall=1 rise=1;", &["LB305 4", "LB305 4"]);
    pool(&two("slow-start \"30s\"; health tcp rise=1;").replace("health tcp; ", ""), &[]);
    let tolerance = |seconds: u32| {
        format!(
            "pool b {{ server \"10.0.0.2:1\"; health tcp; }}{ROUTE}\nlint error-tolerance=\"{seconds}s\" {{ allow LB000 because=\"no rule\"; }}"
        )
    };
    // 5 s x 3 + 2 s, in the pool of the base as well
    warnings(&tolerance(17), &[]);
    warnings(&tolerance(16), &["LB306 2", "LB306 4"]);
}

#[test]
fn settings_that_do_nothing() {
    warnings(
        "route \"/x\" { respond 404; timeout response=\"1s\"; retry connect; }",
        &["LB217 4", "LB217 4"],
    );
    warnings("route \"/x\" { redirect \"/\"; request-headers { remove x; }; }", &["LB217 4"]);
    warnings("route \"/x\" { respond 404; response-headers { set x y; }; body-limit \"1KiB\"; }", &[]);
    warnings("defaults { route { timeout response=\"1s\"; }; }\nroute \"/x\" { respond 404; }", &[]);
}

#[test]
fn a_certificate_that_no_listener_presents() {
    let site = "site \"a.b\" { certificate \"a.pem\"; route \"/\" pool=app; }";
    warnings(site, &["LB612 4"]);
    warnings(&format!("{site}\nlisten \":443\" {{ tls; }}"), &["LB713 1"]);
    let on =
        "site \"a.b\" { on plain; certificate \"a.pem\"; route \"/\" pool=app; }\nlisten \":81\" name=plain";
    warnings(&format!("{on}\nlisten \":443\" {{ tls; }}"), &["LB713 1", "LB612 4", "LB713 5"]);
}

#[track_caller]
fn hints(extra: &str, expected: &[&str]) {
    assert_eq!(findings(&format!("{BASE}{extra}"), Severity::Hint), expected, "{extra}");
}

#[test]
fn strangers_that_are_shown_the_first_of_several_sites() {
    let sites = |tls: &str| {
        format!(
            "listen \":443\" {{ tls {tls} {{ certificate \"a.pem\"; }}; }}\n\
             site \"a.b\" {{ route \"/\" pool=app; }}\nsite \"b.b\" {{ route \"/\" pool=app; }}"
        )
    };
    hints(&sites(""), &["LB611 4"]);
    hints(&sites("unknown-sni=reject"), &[]);
    hints(&sites("unknown-sni=fallback"), &[]);
    let one =
        "listen \":443\" { tls { certificate \"a.pem\"; }; }\nsite \"a.b\" \"b.b\" { route \"/\" pool=app; }";
    hints(one, &[]);
}

#[test]
fn servers_that_are_not_verified() {
    pool("tls verify=none;", &["LB608 4"]);
    pool("tls verify=chain;", &["LB608 4"]);
    pool("tls;", &[]);
}

#[test]
fn cookies_in_clear_or_open_to_scripts_and_networks_that_count_as_one_client() {
    let tls = "\nlisten \":443\" { tls { certificate \"a.pem\"; }; }";
    pool(&two("sticky cookie secure=never;"), &[]);
    warnings(
        &format!("pool b {{ server \"10.0.0.2:1\"; {} }}{ROUTE}{tls}", two("sticky cookie secure=never;")),
        &["LB713 1", "LB402 4"],
    );
    pool(&two("sticky cookie http-only=#false;"), &["LB404 4"]);
    pool(&two("sticky source-ip mask-v4=24;"), &["LB405 4"]);
    pool(&two("sticky source-ip;"), &[]);
    // A cookie that no client of the TLS listener gets is not sent in clear to one.
    warnings(
        &format!(
            "pool b {{ server \"10.0.0.2:1\"; {} }}\nroute \"/b\" pool=b {{ on \":80\"; }}{tls}",
            two("sticky cookie secure=never;")
        ),
        &["LB713 1"],
    );
}

#[test]
fn everyone_behind_one_proxy_that_is_not_believed() {
    let local = |listen: &str, sticky: &str| {
        format!(
            "listen \"127.0.0.1:81\" name=local {listen}\npool b {{ server \"10.0.0.2:1\"; {} }}\nroute \"/b\" pool=b {{ on local; }}",
            two(sticky)
        )
    };
    warnings(&local("", "sticky source-ip;"), &["LB405 5"]);
    warnings(&local("", "sticky cookie; sticky source-ip;"), &[]);
    warnings(&local("{ trust-forwarded \"127.0.0.1\"; }", "sticky source-ip;"), &[]);
    warnings(&local("{ proxy-protocol \"127.0.0.1\"; }", "sticky source-ip;"), &[]);
}

#[test]
fn a_session_that_is_marked_and_learned() {
    pool(
        &two("sticky cookie mode=prefix name=JSESSIONID; sticky learn from=parameter name=jsessionid;"),
        &["LB410 4"],
    );
    pool(&two("sticky cookie mode=prefix name=JSESSIONID; sticky learn from=header name=x-session;"), &[]);
    pool(&two("sticky cookie mode=suffix name=JSESSIONID parameter=jsessionid;"), &[]);
}

#[test]
fn a_table_that_is_too_large_for_the_machine() {
    let found = |entries: usize, memory: Option<u64>| -> Vec<String> {
        let text = format!(
            "listen \":80\"\npool app {{ server \"10.0.0.1:1\"; server \"10.0.0.2:1\"; health tcp; sticky source-ip max-entries={entries}; }}\nroute \"/\" pool=app\n"
        );
        let loader = MemLoader::new().file("lbd.kdl", text);
        let loader = memory.map_or_else(|| loader.clone(), |memory| loader.clone().on_machine(memory));
        let report = load(Path::new("lbd.kdl"), &loader).report;
        report
            .findings
            .iter()
            .map(|found| {
                format!("{} {}: {}", found.code, found.message, found.label.as_deref().unwrap_or(""))
            })
            .collect()
    };
    let million = "LB408 a table of 1000000 clients takes 122MiB: 128 bytes each: over 10% of the 1GiB here";
    assert_eq!(found(1_000_000, Some(1_280_000_000 - 1)), [million]);
    assert_eq!(found(1_000_000, Some(1_280_000_000)), [""; 0]);
    assert_eq!(found(1_000_000, None), [""; 0]);
    assert_eq!(found(20_000_000, Some(64 << 30)), [""; 0]);
    assert_eq!(found(20_000_000, None), ["LB408 a table of 20000000 clients takes 2GiB: 128 bytes each"]);
}

#[test]
fn tunnels_that_end_between_two_pings() {
    let idle = |idle: &str| {
        format!("route \"/w\" pool=app {{ timeout tunnel-idle={idle}; }}\nlint websocket-ping=\"55s\"")
    };
    warnings(&idle("\"60s\""), &["LB501 4"]);
    warnings(&idle("\"61s\""), &[]);
    warnings(&idle("off"), &[]);
}

#[test]
fn doors_that_are_open_to_everyone() {
    warnings("status \":81\"", &["LB702 4"]);
    warnings("status \"127.0.0.1:81\"", &[]);
    warnings("status \":81\" { allow-from \"10.0.0.0/8\"; }", &[]);
    warnings("status \"127.0.0.1:81\" { operate token=\"sixteen letters!\"; }", &["LB803 4"]);
    warnings("control mode=\"0666\"", &["LB703 4"]);
    warnings("control socket=\"/tmp/lbd.sock\"", &["LB703 4"]);
    warnings("control socket=\"/tmp/lbd-demo/control.sock\"", &[]);
    warnings("control mode=\"0660\" socket=\"/run/lbd/control.sock\"", &[]);
    warnings("trust-forwarded \"0.0.0.0/0\"", &["LB704 4"]);
    warnings("trust-forwarded \"10.0.0.0/8\"", &[]);
}

#[test]
fn headers_of_everyone_and_sites_that_are_passed_by() {
    warnings("listen \":81\" { proxy-protocol \"::/0\"; }", &["LB706 4"]);
    warnings("listen \":81\" { proxy-protocol \"10.0.0.0/8\"; }", &[]);
    let both = |sni: &str, site: &str| {
        format!(
            "listen \":443\" name=tls {{ tls {{ certificate \"a.pem\"; }}; tcp pool=app sni=\"{sni}\"; }}\n\
             site \"{site}\" {{ on tls; route \"/\" pool=app; }}"
        )
    };
    warnings(&both("a.test", "a.test"), &["LB713 1", "LB614 5"]);
    warnings(&both("*.test", "a.test"), &["LB713 1", "LB614 5"]);
    warnings(&both("*.test", "*.a.test"), &["LB713 1", "LB614 5"]);
    warnings(&both("a.test", "*.test"), &["LB713 1"]);
    warnings(&both("*.a.test", "a.test"), &["LB713 1"]);
}

#[test]
fn what_needs_requests_where_there_are_none() {
    let passed = |inside: &str, more: &str| {
        format!(
            "pool b {{ server \"10.0.0.2:1\"; {} }}\nlisten \":81\" {{ tcp pool=b; }}\n{more}",
            two(inside)
        )
    };
    warnings(&passed("sticky cookie", ""), &["LB217 4"]);
    warnings(&passed("balance hash key=\"cookie:a\"", ""), &["LB217 4"]);
    warnings(&passed("balance hash key=host; sticky source-ip", ""), &[]);
    warnings(&passed("sticky cookie", "route \"/b\" pool=b"), &[]);
}

#[test]
fn a_server_that_is_lbd_itself() {
    warnings(&format!("pool b {{ server \"127.0.0.1:80\"; }}{ROUTE}"), &["LB714 4"]);
    warnings(&format!("pool b {{ server \"localhost:80\"; }}{ROUTE}"), &["LB714 4"]);
    warnings(&format!("pool b {{ server \"127.0.0.1:81\"; }}{ROUTE}"), &[]);
}

#[test]
fn limits_queues_and_ejection_that_disappoint() {
    let full = "server c \"10.0.0.3:1\" max-requests=5; health tcp;";
    pool(full, &["LB314 4"]);
    pool(&full.replace("max-requests", "max-connections"), &["LB314 4"]);
    pool(&format!("{full} queue;"), &[]);
    pool(&format!("{full} queue size=0;"), &["LB314 4"]);
    pool("health tcp; queue;", &["LB314 4"]);
    pool("health tcp; passive max-ejected=\"100%\";", &["LB315 4"]);
    pool("health tcp; passive max-ejected=\"100%\"; panic;", &[]);
    pool("health tcp; passive max-ejected=\"90%\";", &[]);
}

#[test]
fn what_clients_write_into_answers() {
    let set = |value: &str| {
        format!("route \"/a/{{id}}\" pool=app {{ response-headers {{ set x-it \"{value}\"; }}; }}")
    };
    for hole in ["{path}", "{query}", "{id}", "{host}", "a{id}b"] {
        warnings(&set(hole), &["LB709 4"]);
    }
    warnings(&set("fixed"), &[]);
    warnings("route \"/a/{id}\" pool=app { request-headers { set x-it \"{id}\"; }; }", &[]);
    let site = |value: &str| {
        format!("site \"a.b\" {{ route \"/\" pool=app; response-headers {{ add x-it \"{value}\"; }}; }}")
    };
    warnings(&site("{host}"), &[]);
    warnings(&site("{path}"), &["LB709 4"]);
}

#[test]
fn one_server_where_others_have_several() {
    let several =
        "pool b { server \"10.0.0.2:1\"; server \"10.0.0.3:1\"; health tcp; }\nroute \"/b\" pool=b\n";
    hints("", &[]);
    // The pool of the base.
    hints(several, &["LB318 2"]);
    let mirrored = several.replace("pool=b", "pool=b { mirror pool=c; }");
    let copies = "pool c { server \"10.0.0.4:1\"; }\nroute (exact)\"/c\" pool=c\n";
    hints(&format!("{several}{copies}"), &["LB318 2", "LB318 6"]);
    hints(&format!("{mirrored}{}", copies.lines().next().unwrap()), &["LB318 2"]);
    hints(&format!("{several}lint {{ allow LB318 because=\"a laboratory\"; }}"), &[]);
}

#[test]
fn a_clock_for_whole_exchanges_beside_websockets() {
    let route = |route: &str, pool: &str| {
        warnings(
            &format!(
                "pool b {{ server \"10.0.0.2:1\"; health tcp; {pool} }}\nroute \"/b\" pool=b {{ {route} }}"
            ),
            &[],
        );
    };
    let warned = |route: &str, pool: &str| {
        warnings(
            &format!(
                "pool b {{ server \"10.0.0.2:1\"; health tcp; {pool} }}\nroute \"/b\" pool=b {{ {route} }}"
            ),
            &["LB503 5"],
        );
    };
    warned("match { websocket; }; timeout request=\"1m\"", "");
    warned("match { websocket; }; timeout request=\"1m\" tunnel-max=\"1h\"", "");
    warned("match { websocket; }; match { method GET; }; timeout request=\"1m\"", "");
    warned("timeout request=\"1m\"", "websocket ping=\"55s\"");
    warned("timeout request=\"1m\"", "admission \"100/s\"");
    route("timeout request=\"1m\" tunnel-max=\"1h\"", "websocket ping=\"55s\"");
    route("timeout request=\"1m\" tunnel-max=off", "websocket ping=\"55s\"");
    route("timeout request=\"1m\"", "websocket ping=\"55s\"; timeout tunnel-max=\"1h\"");
    route("match { websocket #false; }; timeout request=\"1m\"", "websocket ping=\"55s\"");
    route("timeout request=\"1m\"", "");
}

#[test]
fn ways_around_a_network_check() {
    let allow = "allow-from \"10.0.0.0/8\"";
    let admin = |more: &str| format!("route \"/admin\" pool=app {{ {allow}; {more} }}\n");
    warnings(&admin(""), &[]);
    warnings(&admin("match { header x-a; }"), &["LB711 4"]);
    // What it leaves to others, another one checks.
    warnings(&(admin("match { header x-a; }") + &admin("")), &[]);
    let second = "listen \"127.0.0.1:81\" name=internal { trust-forwarded \"127.0.0.1\"; }\n";
    warnings(&format!("{}{second}", admin("on internal")), &["LB711 4"]);
    warnings(&format!("{}{second}", admin("on internal \":80\"")), &[]);
    let site = |routes: &str| format!("site \"a.test\" {{ {} }}\n", routes.replace('\n', "; "));
    let all = "route \"/\" pool=app\n";
    warnings(&site(&(all.to_owned() + &admin(""))), &["LB711 4"]);
    warnings(&(site(&(all.to_owned() + &admin(""))) + &admin("")), &[]);
    let elsewhere =
        "pool b { server \"10.0.0.2:1\"; health tcp; }\nsite \"b.test\" { route \"/\" pool=b; }\n";
    warnings(&(elsewhere.to_owned() + &admin("")), &[]);
}

#[test]
fn patterns_that_say_in_more_words_what_they_mean() {
    let fixes = |extra: &str| -> Vec<(String, bool)> {
        let report =
            load(Path::new("lbd.kdl"), &MemLoader::new().file("lbd.kdl", format!("{BASE}{extra}"))).report;
        let ours =
            report.findings.iter().filter(|found| found.code == "LB208").flat_map(|found| &found.fixes);
        ours.map(|fix| (fix.edits[0].text.clone(), fix.safe)).collect()
    };
    let mended = |pattern: &str, to: &str| {
        let route = format!("route {pattern} pool=app\n");
        assert_eq!(fixes(&route), [(format!("\"{to}\""), true)], "{pattern}");
        assert_eq!(fixes(&format!("{route}route \"/other\" pool=app")), [(format!("\"{to}\""), true)]);
    };
    mended("\"/api/\"", "/api");
    mended("\"/api//v1\"", "/api/v1");
    mended("\"/a/./b\"", "/a/b");
    mended("(exact)\"/a/../b\"", "/b");
    mended("\"/%41pi\"", "/Api");
    // Another route says that already, or would once case does not count.
    for taken in ["route \"/api\" pool=app { match { header x; }; }", "route \"/API\" pool=app"] {
        warnings(&format!("{taken}\nroute \"/api//\" pool=app {{ match {{ header y; }}; }}"), &["LB208 5"]);
        assert!(
            fixes(&format!("{taken}\nroute \"/api//\" pool=app {{ match {{ header y; }}; }}")).is_empty()
        );
        assert!(
            fixes(&format!("{taken}\nroute \"/./api\" pool=app {{ match {{ header y; }}; }}")).is_empty()
        );
    }
    // Nobody knows which is meant, or it is made of parts.
    assert!(fixes("route \"/a/{id}/../b\" pool=app").is_empty());
    assert!(fixes("let base \"/api/\"\nroute \"${base}\" pool=app").is_empty());
    warnings("route (starts-with)\"/api/\" pool=app", &[]);
    warnings("route (exact)\"/api/\" pool=app", &[]);
}
