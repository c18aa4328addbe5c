//! An answer that lbd makes has the page of its place; an answer of a server is never touched.

use std::path::Path;

use super::{ask, ask_host, pools};
use crate::support::{After, Client, Daemon, Origin, Tail, eventually};

/// `error-page` for a file in `dir` with this text.
fn page(dir: &Path, status: &str, name: &str, text: &str) -> String {
    std::fs::write(dir.join(name), text).unwrap();
    format!("error-page {status} file=\"{}\"", dir.join(name).display())
}

#[test]
fn the_nearest_page_answers_with_the_type_of_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let page = |status: &str, name: &str, text: &str| page(dir.path(), status, name, text);
    let origin = Origin::echo("a");
    let text = pools(&[("app", &origin)]);
    let daemon = Daemon::run(&format!(
        "{text}{root}\nsite \"app.test\" {{ {site}\n route \"/a\" pool=app {{ {route}\n }}\n route \"/b\" pool=app\n \
         route \"/gone\" {{ respond 410; }}\n route \"/said\" {{ respond 410 body=\"my own\"; }}\n }}\n",
        root = page("\"400-599\"", "root.txt", "root"),
        site = page("404 \"500-503\"", "site.html", "<p>site"),
        route = page("502", "route.json", "{\"route\":1}"),
    ));
    origin.stop();
    let seen = |answer: crate::support::Message| {
        let kind = answer.field("content-type").unwrap_or_default().to_owned();
        (answer.status(), kind, answer.text().to_owned())
    };
    let html = || "text/html; charset=utf-8".to_owned();
    let plain = || "text/plain; charset=utf-8".to_owned();
    let expect = |status, kind: String, text: &str| (status, kind, text.to_owned());
    assert_eq!(seen(ask(&daemon, "/a", "")), expect(502, "application/json".into(), "{\"route\":1}"));
    assert_eq!(seen(ask(&daemon, "/b", "")), expect(502, html(), "<p>site"));
    assert_eq!(seen(ask(&daemon, "/c", "")), expect(404, html(), "<p>site"));
    assert_eq!(seen(ask(&daemon, "/gone", "")), expect(410, plain(), "root"));
    assert_eq!(seen(ask(&daemon, "/said", "")), expect(410, "text/plain".into(), "my own"));
    assert_eq!(seen(ask_host(&daemon, "other.test", "/a")), expect(404, plain(), "root"));
    let head = Client::connect(daemon.address()).request("HEAD", "/c", "", b"");
    assert_eq!((head.status(), head.field("content-length"), &*head.body), (404, Some("7"), &b""[..]));
    let mut client = Client::connect(daemon.address());
    client.send("GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    assert_eq!(client.read(Tail::AsSaid).text(), "root", "a request that cannot be read");
}

#[test]
fn a_servers_own_error_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let origin = Origin::scripted(|_, wire| {
        wire.send("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nmine")?;
        Ok(After::Keep)
    });
    let text = pools(&[("app", &origin)]) + &page(dir.path(), "503", "503.html", "ours");
    let daemon = Daemon::run(&format!("{text}\nroute \"/\" pool=app\n"));
    let answer = ask(&daemon, "/", "");
    assert_eq!((answer.status(), answer.text()), (503, "mine"));
}

#[test]
fn an_edited_page_is_live_and_a_missing_one_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let text = page(dir.path(), "404", "404.html", "first") + "\nroute \"/x\" { respond 200; }\n";
    let daemon = Daemon::run(&text);
    assert_eq!(ask(&daemon, "/", "").text(), "first");
    page(dir.path(), "404", "404.html", "second");
    eventually("the edited page is live", || (ask(&daemon, "/", "").text() == "second").then_some(()));
    std::fs::remove_file(dir.path().join("404.html")).unwrap();
    eventually("the loss is reported", || daemon.log().contains("LB807").then_some(()));
    assert_eq!(ask(&daemon, "/", "").text(), "second");
}
