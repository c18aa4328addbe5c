//! The offline world, asked.

use std::path::Path;

use super::{Answer, Coverage, Outcome, Question, World, verify};
use crate::config::expectations::read;
use crate::config::source::MemLoader;
use crate::config::testing::good;

const SHOP: &str = "listen \":80\" { redirect-to-https; }
listen \":443\" { tls { certificate \"shop.pem\"; }; }
pool app { server one \"10.0.0.1:80\"; server two \"10.0.0.2:80\"; sticky cookie name=side; health \"/\"; }
pool api { server a \"10.0.1.1:80\"; server b \"10.0.1.2:80\"; server c \"10.0.1.3:80\"; balance hash key=\"header:x-key\"; health \"/\"; tls; }
pool far { server f \"far.example:80\"; server g \"near.example:80\"; sticky source-ip; health tcp; }
site \"shop.example.com\" {
  route \"/\" pool=app
  route \"/api/{version}\" pool=api { rewrite strip-prefix=\"/api\"; request-headers { set x-version \"{version}\"; remove x-secret; }; }
  route \"/api\" name=testers pool=far { match { header x-canary; }; match { cookie beta \"1\"; method GET; }; }
  route \"/old\" { redirect \"https://{host}/new\" status=301; }
  route \"/private\" pool=app { allow-from \"10.0.0.0/8\"; }
  route \"/upload\" pool=app { body-limit \"1KiB\"; }
}
";

fn world(text: &str) -> World {
    World::of(good(text)).unwrap()
}

fn ask(text: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
    let mut question = Question::get(url);
    question.headers =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    world(text).ask(&question).unwrap()
}

fn pool(answer: &Answer) -> Option<&str> {
    answer.pool.as_ref().map(|pool| pool.name.as_str())
}

#[test]
fn a_request_is_told_from_its_listener_to_the_head_that_the_server_gets() {
    let answer = ask(SHOP, "https://shop.example.com/api/v2/x?y", &[("X-Secret", "1"), ("X-Key", "k")]);
    assert_eq!((answer.listener.name.as_str(), answer.listener.why.as_deref()), (":443", None));
    assert_eq!(pool(&answer), Some("api"));
    let Outcome::Forward { target, host, fields } = &answer.outcome else { panic!("{answer:?}") };
    assert_eq!((target.as_str(), host.as_str()), ("/v2/x?y", "shop.example.com"));
    let value =
        |name: &str| fields.iter().find(|f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value.as_str());
    assert_eq!(value("x-version"), Some("v2"));
    assert_eq!(value("x-secret"), None);
    assert_eq!(value("x-forwarded-proto"), Some("https"));
    assert_eq!(value("x-forwarded-for"), Some("203.0.113.1"));
    assert_eq!(value("x-request-id"), Some("(new for each request)"));
    let told = answer.pool.as_ref().unwrap();
    assert!(told.server.is_some() && told.decision.contains("hash"), "{told:?}");
    let whys: Vec<_> = answer.candidates.iter().map(|one| (one.pattern.as_str(), one.why.as_str())).collect();
    assert_eq!(whys, [("/api/{version}", "chosen"), ("/api", "less specific"), ("/", "less specific")]);
}

#[test]
fn what_no_server_gets_says_who_answers_and_why() {
    let outcome = |url: &str| ask(SHOP, url, &[]).outcome;
    let refused = |status: u16, why: &str| Outcome::Refuse { status, why: why.to_owned() };
    assert_eq!(
        outcome("http://shop.example.com/x?y"),
        Outcome::Redirect { status: 308, location: "https://shop.example.com/x?y".to_owned() }
    );
    assert_eq!(
        outcome("https://shop.example.com/old"),
        Outcome::Redirect { status: 301, location: "https://shop.example.com/new".to_owned() }
    );
    assert_eq!(outcome("https://other.example/"), refused(404, "no site answers to this host"));
    assert_eq!(outcome("https://shop.example.com/../x"), refused(400, "path climbs above the root"));
    assert_eq!(
        outcome("https://shop.example.com/private"),
        refused(403, "`allow-from` or `deny-from` keeps 203.0.113.1 out")
    );
    assert_eq!(
        ask(SHOP, "https://shop.example.com/upload", &[("Content-Length", "2000")]).outcome,
        refused(413, "the body is larger than `body-limit`")
    );
}

#[test]
fn conditions_that_fail_are_named_and_those_that_hold_are_counted() {
    let plain = ask(SHOP, "https://shop.example.com/api", &[]);
    assert_eq!(pool(&plain), Some("app"));
    assert_eq!(plain.candidates[0].why, "condition failed: header x-canary; cookie beta = 1");
    let canary = ask(SHOP, "https://shop.example.com/api", &[("x-canary", "")]);
    assert_eq!((pool(&canary), &canary.route.as_ref().unwrap().held), (Some("far"), &vec![0]));
    let beta = ask(SHOP, "https://shop.example.com/api", &[("cookie", "beta=1")]);
    assert_eq!(beta.route.as_ref().unwrap().held, [1]);
    let told = beta.pool.unwrap();
    assert!(told.decision.starts_with("by a hash of the client's address"), "{told:?}");
}

#[test]
fn a_server_is_named_only_where_the_file_alone_says_it() {
    let app = ask(SHOP, "https://shop.example.com/", &[]).pool.unwrap();
    assert_eq!((app.server, app.decision.as_str()), (None, "decided live: ask `lbctl route explain`"));
    let same = |key: &str| {
        ask(SHOP, "https://shop.example.com/api/v1", &[("x-key", key)]).pool.unwrap().server.unwrap()
    };
    let servers: std::collections::BTreeSet<String> = (0..40).map(|key| same(&key.to_string())).collect();
    assert_eq!(same("7"), same("7"), "the same in every world");
    assert_eq!(servers.len(), 3, "{servers:?}");
}

#[test]
fn the_listener_is_that_of_the_scheme_and_port_or_the_one_that_is_named() {
    let text = "listen \":8080\" name=inner\nlisten \":8443\" name=tls { tls { certificate \"x.pem\"; }; }\n\
                pool app { server \"10.0.0.1:80\"; health tcp; }\nroute \"/\" pool=app { on inner tls; }\n";
    let told = |url: &str| ask(text, url, &[]).listener;
    assert_eq!(told("https://a.test:8443/").name, "tls");
    assert_eq!(told("https://a.test/").name, "tls");
    assert!(told("https://a.test/").why.unwrap().starts_with("none is on port 443"));
    assert_eq!(told("http://a.test:8443/").why.as_deref(), Some("the only one on port 8443"));
    assert_eq!((told("/").name.as_str(), told("/").why), ("inner", None));
    let wrong = world(text).ask(&Question::get("http://a.test:81/")).unwrap_err();
    assert_eq!(wrong.what, "no listener is on port 81");
    let named = Question { listener: Some("iner".to_owned()), ..Question::get("/") };
    assert_eq!(world(text).ask(&named).unwrap_err().help.as_deref(), Some("did you mean `inner`?"));
}

#[test]
fn a_split_that_draws_may_go_to_each_of_its_pools_and_one_that_knows_to_one() {
    let text = |by: &str| {
        format!(
            "listen \":80\"\npool a {{ server \"10.0.0.1:80\"; health tcp; }}\npool b {{ server \"10.0.0.2:80\"; health tcp; }}\n\
             route \"/\" {{ split by={by} {{ to a weight=3; to b weight=7; }}; }}\n"
        )
    };
    let drawn = ask(&text("request"), "http://a.test/", &[]);
    assert_eq!((drawn.pools(), pool(&drawn)), (vec!["a", "b"], Some("b")));
    let known = ask(&text("source-ip"), "http://a.test/", &[]);
    assert_eq!(known.pools().len(), 1);
    assert_eq!(Some(known.pools()[0]), pool(&known));
}

#[test]
fn expectations_hold_or_say_what_there_is_instead() {
    let world = world(SHOP);
    let text = "let shop \"https://shop.example.com\"\n\
        expect \"${shop}/api/v1/x\" pool=api path=\"/v1/x\" host=shop.example.com sticky=#false { sends x-version v1; drops x-secret; }\n\
        expect \"${shop}/nowhere\" pool=app sticky=#true site=shop.example.com route=\"/\"\n\
        expect \"https://none.example/\" none\n\
        expect \"${shop}/\" pool=api status=200\n\
        expect \"http://shop.example.com/\" status=308 location=\"https://shop.example.com/\"\n\
        expect \"${shop}/private\" pool=app client-ip=\"10.1.1.1\"\n";
    let file = read(Path::new("a.test.kdl"), &MemLoader::new().file("a.test.kdl", text));
    assert_eq!(file.report.findings, []);
    let mut coverage = Coverage::of(&world);
    let mut wrong = Vec::new();
    for expectation in &file.list {
        let (answer, mismatches) = verify(&world, expectation).unwrap();
        coverage.note(&answer);
        wrong.extend(mismatches.into_iter().map(|one| format!("{} but {}", one.expected, one.found)));
    }
    assert_eq!(wrong, ["pool api but pool app", "status 200 but pool app"]);
    let missed: Vec<String> = coverage.missed().map(ToString::to_string).collect();
    assert_eq!(
        missed,
        [
            "lbd.kdl:9 route testers when header x-canary",
            "lbd.kdl:9 route testers when method GET, cookie beta = 1",
            "lbd.kdl:10 route /old",
            "lbd.kdl:12 route /upload",
        ]
    );
    assert_eq!(coverage.total(), 7);
}

#[test]
fn what_is_written_to_begin_with_holds_and_reaches_every_route() {
    let world = world(
        &(SHOP.to_owned()
            + "route (regex)\"^/v[0-9]{2}/(a|b)+$\" pool=app\nroute (starts-with)\"/pre\" pool=app { match { query q; client-ip \"10.0.0.0/8\"; }; }\n\
           route \"/ws/{*rest}\" pool=app { match { websocket; }; }\n"),
    );
    let text = super::expectations(&world, "lbd.kdl");
    let file = read(Path::new("a.test.kdl"), &MemLoader::new().file("a.test.kdl", text.as_str()));
    assert_eq!(file.report.findings, [], "{text}");
    let mut coverage = Coverage::of(&world);
    for expectation in &file.list {
        let (answer, mismatches) = verify(&world, expectation).unwrap();
        assert_eq!(mismatches, [], "{text}");
        coverage.note(&answer);
    }
    let missed: Vec<String> = coverage.missed().map(ToString::to_string).collect();
    assert_eq!(missed, ["lbd.kdl:9 route testers when method GET, cookie beta = 1"], "{text}");
}

#[test]
fn a_connection_that_is_passed_on_is_never_asked_for_a_path() {
    let text = "listen \":443\" { tcp pool=raw sni=\"raw.example.com\"; tls { certificate \"x.pem\"; }; }\n\
                pool raw { server \"10.0.0.1:1\"; health tcp; }\npool app { server \"10.0.0.2:1\"; health tcp; }\n\
                route \"/\" pool=app\n";
    let raw = ask(text, "https://raw.example.com/x", &[]);
    assert_eq!((&raw.outcome, pool(&raw), raw.candidates.len()), (&Outcome::Pass, Some("raw"), 0));
    assert!(raw.human().contains("passed on unread"), "{}", raw.human());
    assert_eq!(pool(&ask(text, "https://other.example.com/x", &[])), Some("app"));
}

#[test]
fn a_handshake_is_one_for_the_conditions_and_for_the_server() {
    let text = "listen \":80\"\npool app { server \"10.0.0.1:1\"; health tcp; }\npool ws { server \"10.0.0.2:1\"; health tcp; }\n\
                route \"/\" pool=app\nroute \"/\" pool=ws { match { websocket; }; }\n";
    assert_eq!(pool(&ask(text, "http://a.test/", &[])), Some("app"));
    let answer = ask(text, "ws://a.test/", &[]);
    assert_eq!(pool(&answer), Some("ws"));
    let Outcome::Forward { fields, .. } = &answer.outcome else { panic!("{answer:?}") };
    assert!(fields.iter().any(|field| field.name == "Upgrade" && field.value == "websocket"), "{fields:?}");
}
