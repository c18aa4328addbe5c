//! `lbd explain` and `lbd test`, as people and pipelines call them, and held against what the daemon does.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::lbd_bin;

mod agreement;
mod deploying;
mod expectations;
mod pipelines;

const SHOP: &str = r#"listen ":80" { redirect-to-https; }
listen ":443" { tls { certificate "shop.pem"; }; }
pool app { server one "10.0.0.1:80"; server two "10.0.0.2:80"; sticky cookie name=side; health "/"; }
pool api { server "10.0.1.1:80"; server "10.0.1.2:80"; health "/"; }
site "shop.example.com" {
  route "/" pool=app
  route "/api" pool=api { rewrite strip-prefix="/api"; rate-limit "100/s" burst=200 key=source-ip; }
  route "/api" pool=app name=testers { match { header x-canary; }; }
}
"#;

/// Runs `lbd` in a folder that holds [`SHOP`].
fn lbd(folder: &Path, args: &[&str]) -> Output {
    std::fs::write(folder.join("lbd.kdl"), SHOP).unwrap();
    Command::new(lbd_bin()).args(args).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn an_explanation_reads_from_the_request_to_what_the_server_gets() {
    let folder = tempfile::tempdir().unwrap();
    let done = lbd(folder.path(), &["explain", "https://shop.example.com/api/v1?q=1", "--config", "."]);
    assert_eq!(text(&done.stderr), "");
    assert_eq!(
        text(&done.stdout),
        "GET https://shop.example.com/api/v1?q=1\n\
         from      203.0.113.1, over https\n\
         listener  :443 (./lbd.kdl:2)\n\
         host      shop.example.com: site shop.example.com (./lbd.kdl:5)\n\
         path      /api/v1\n\
         \x20 · ./lbd.kdl:8  /api when header x-canary  pool app  condition failed: header x-canary\n\
         \x20 → ./lbd.kdl:7  /api                       pool api  chosen\n\
         \x20 · ./lbd.kdl:6  /                          pool app  less specific\n\
         route     /api (./lbd.kdl:7): pool api\n\
         rules     at most 100 in 1s for each client address, 200 at once (route shop.example.com /api)\n\
         pool      api (./lbd.kdl:4): 10.0.1.1:80, 10.0.1.2:80\n\
         balance   p2c\n\
         server    decided live: ask `lbctl route explain`\n\
         sends     GET /v1?q=1\n\
         \x20         Host: shop.example.com\n\
         \x20         X-Forwarded-For: 203.0.113.1\n\
         \x20         X-Forwarded-Proto: https\n\
         \x20         X-Forwarded-Port: 443\n\
         \x20         X-Forwarded-Host: shop.example.com\n\
         \x20         Via: 1.1 lbd\n\
         \x20         X-Request-Id: (new for each request)\n"
    );
    assert_eq!(done.status.code(), Some(0));
}

#[test]
fn an_explanation_for_machines_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let args =
        ["explain", "https://shop.example.com/api", "--config", "lbd.kdl", "--json", "-H", "X-Canary: 1"];
    let done = lbd(folder.path(), &args);
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(told["route"]["name"], "testers");
    assert_eq!(told["pool"]["name"], "app");
    assert_eq!(told["pool"]["sticky"][0], "by cookie side, set with the first answer");
    assert_eq!(told["outcome"]["kind"], "forward");
    assert_eq!(told["candidates"][1]["why"], "fewer conditions");
    assert_eq!(told["candidates"][1]["place"], "lbd.kdl:7");
}

#[test]
fn the_json_of_a_redirect_is_this() {
    let folder = tempfile::tempdir().unwrap();
    let done = lbd(folder.path(), &["explain", "http://shop.example.com/x", "--config", "lbd.kdl", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let wanted = serde_json::json!({
        "method": "GET",
        "url": "http://shop.example.com/x",
        "client_ip": "203.0.113.1",
        "https": false,
        "listener": { "name": ":80", "place": "lbd.kdl:1" },
        "host": "shop.example.com",
        "candidates": [],
        "params": [],
        "outcome": { "kind": "redirect", "status": 308, "location": "https://shop.example.com/x" },
        "answers": [],
    });
    assert_eq!(told, wanted);
}

#[test]
fn who_answers_in_the_place_of_a_server_is_told_and_the_exit_code_says_refused() {
    let folder = tempfile::tempdir().unwrap();
    let told = |args: &[&str]| {
        let done = lbd(folder.path(), &[&["explain", "--config", "lbd.kdl"], args].concat());
        let last = text(&done.stdout).lines().last().unwrap_or_default().to_owned();
        (last, done.status.code())
    };
    let is = |args: &[&str], last: &str, code: i32| {
        assert_eq!(told(args), (last.to_owned(), Some(code)), "{args:?}")
    };
    is(&["http://shop.example.com/x"], "answer    308, to https://shop.example.com/x", 0);
    is(&["https://other.example/"], "answer    404: no site answers to this host", 1);
    is(&["https://shop.example.com/%2e%2e/x"], "answer    400: path climbs above the root", 1);
}

#[test]
fn a_request_begins_with_its_method_and_may_say_where_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let first = |args: &[&str]| {
        let done = lbd(folder.path(), &[&["explain", "--config", "lbd.kdl"], args].concat());
        let text = text(&done.stdout).to_owned();
        text.lines().take(3).map(str::trim).collect::<Vec<_>>().join("|")
    };
    let expected = "POST https://shop.example.com/|from      10.9.8.7, over https|listener  :443 (lbd.kdl:2)";
    let from = ["--from", "10.9.8.7", "--on", ":443"];
    assert_eq!(first(&[&["post", "https://shop.example.com/"][..], &from].concat()), expected);
    assert_eq!(first(&[&["https://shop.example.com/", "--method", "POST"][..], &from].concat()), expected);
    let twice = lbd(folder.path(), &["explain", "--config", "lbd.kdl", "POST", "/", "--method", "GET"]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(text(&twice.stderr).contains("the method once"), "{}", text(&twice.stderr));
}

#[test]
fn what_was_read_from_a_file_or_the_environment_is_told_to_servers_and_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "hush-hush\n").unwrap();
    let route = "route \"/\" pool=app {\n\
                 \x20 request-headers { set authorization \"Bearer ${file:token}\"; set x-key \"${env:LBD_TEST_KEY}\"; \
                 set x-plain \"seen\"; }\n\
                 \x20 response-headers { add x-mark \"${file:token}\"; }\n}\n";
    let text_of = |route: &str| format!("listen \":80\"\npool app {{ server \"10.0.0.1:80\"; }}\n{route}");
    std::fs::write(folder.path().join("kept.kdl"), text_of(route)).unwrap();
    let test = "config \"kept.kdl\"\nexpect \"/\" { sends authorization \"Bearer other\"; sends x-key \"also-hush\"; }\n";
    std::fs::write(folder.path().join("kept.test.kdl"), test).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(lbd_bin());
        let done =
            command.args(args).current_dir(folder.path()).env("LBD_TEST_KEY", "also-hush").output().unwrap();
        let said = text(&done.stdout).to_owned() + text(&done.stderr);
        assert!(!said.contains("hush-hush"), "{args:?}: {said}");
        (done.status.code(), said)
    };
    for more in [&["--json"][..], &[]] {
        let (code, said) = run(&[&["explain", "/", "--config", "kept.kdl"], more].concat());
        assert_eq!((code, said.matches("(not shown)").count()), (Some(0), 3), "{said}");
        assert!(said.contains("seen") && !said.contains("also-hush"), "{said}");
    }
    // It is compared all the same: one of the two expectations holds, the other says no more than that it does not.
    let (code, said) = run(&["test", "kept.test.kdl"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("authorization: (not shown)") && !said.contains("x-key: (not shown)"), "{said}");
}

#[test]
fn a_question_that_cannot_be_asked_says_how_to_ask_it() {
    let folder = tempfile::tempdir().unwrap();
    let said = |args: &[&str]| {
        let done = lbd(folder.path(), &[&["explain", "--config", "lbd.kdl"], args].concat());
        assert_eq!((done.status.code(), text(&done.stdout)), (Some(2), ""), "{args:?}");
        text(&done.stderr).to_owned()
    };
    assert_eq!(
        said(&["shop.example.com"]),
        "error: `shop.example.com` is no URL\nhelp: write `https://host/path`, or `/path`\n"
    );
    assert!(
        said(&["https://shop.example.com:444/"]).starts_with("error: no listener is on port 444\nhelp: ")
    );
    assert!(said(&["/", "-H", "nonsense"]).contains("a field is written 'Name: value'"));
    std::fs::write(folder.path().join("bad.kdl"), "pool {").unwrap();
    let done = lbd(folder.path(), &["explain", "/", "--config", "bad.kdl"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stderr).contains("KDL008"), "{}", text(&done.stderr));
    assert!(text(&done.stderr).ends_with("error: bad.kdl does not load, so nothing can be said of it\n"));
}
