//! `lbd lsp` as an editor sees it: a real process, its stdin and stdout.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Daemon, Origin, eventually};

/// The configuration that is edited.
const TEXT: &str = "listen \"127.0.0.1:8080\" name=front\npool web {\n  server one \"127.0.0.1:9001\"\n  \
                    server two \"127.0.0.1:9002\"\n    health \"/ready\"\n}\nroute \"/\" pool=wbe { on front; }\n";

struct Editor {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    uri: String,
    asked: i32,
}

impl Editor {
    fn open(folder: &std::path::Path, text: &str) -> Self {
        Self::near(&folder.join("none.sock"), folder, text)
    }

    /// With the control socket of a daemon, or of none.
    fn near(socket: &std::path::Path, folder: &std::path::Path, text: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_lbd"))
            .arg("lsp")
            .env("LBD_SOCKET", socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let uri = format!("file://{}", folder.join("lbd.kdl").display());
        let mut editor = Self { process, to, from, uri, asked: 0 };
        let about =
            editor.ask("initialize", json!({ "capabilities": {}, "processId": null, "rootUri": null }));
        assert_eq!(about["serverInfo"]["name"], "lbd");
        assert_eq!(about["capabilities"]["renameProvider"], true);
        assert_eq!(about["capabilities"]["codeLensProvider"]["resolveProvider"], false);
        editor.tell("initialized", json!({}));
        let document = json!({ "uri": editor.uri, "languageId": "kdl", "version": 1, "text": text });
        editor.tell("textDocument/didOpen", json!({ "textDocument": document }));
        editor
    }

    fn write(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.to, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.write(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.from.read_line(&mut line).unwrap() > 0, "the server went away");
            match line.trim_end() {
                "" => break,
                line => {
                    if let Some(value) = line.strip_prefix("Content-Length: ") {
                        length = value.parse().unwrap();
                    }
                }
            }
        }
        let mut body = vec![0; length];
        self.from.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.read();
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{message}");
                return message["result"].clone();
            }
        }
    }

    /// A question about the place of `marker` in `text`, at its end.
    fn about(&mut self, what: &str, text: &str, marker: &str, more: Value) -> Value {
        let at = text.find(marker).expect(marker) + marker.len();
        let line = text[..at].matches('\n').count();
        let column = at - text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let mut params = json!({
            "textDocument": { "uri": self.uri },
            "position": { "line": line, "character": column },
        });
        params.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.ask(&format!("textDocument/{what}"), params)
    }

    /// The codes that are shown next in the edited file.
    fn findings(&mut self) -> Vec<String> {
        loop {
            let message = self.read();
            if message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == *self.uri
            {
                let all = message["params"]["diagnostics"].as_array().unwrap().clone();
                return all.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect();
            }
        }
    }

    fn replace(&mut self, text: &str) {
        let uri = self.uri.clone();
        self.tell(
            "textDocument/didChange",
            json!({ "textDocument": { "uri": uri, "version": 2 }, "contentChanges": [{ "text": text }] }),
        );
    }

    fn close(mut self) {
        assert_eq!(self.ask("shutdown", json!(null)), Value::Null);
        self.tell("exit", json!(null));
        assert!(self.process.wait().unwrap().success());
    }
}

fn labels(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap()).collect()
}

#[test]
fn an_editor_sees_findings_while_it_types() {
    let folder = tempfile::tempdir().unwrap();
    let mut editor = Editor::open(folder.path(), TEXT);
    assert!(editor.findings().contains(&"LB103".to_owned()), "the pool of the route is misspelt");
    let good = TEXT.replace("wbe", "web");
    editor.replace(&good);
    assert_eq!(editor.findings(), Vec::<String>::new());
    // One letter of it is typed away.
    let uri = editor.uri.clone();
    let place = json!({ "start": { "line": 1, "character": 5 }, "end": { "line": 1, "character": 6 } });
    editor.tell(
        "textDocument/didChange",
        json!({ "textDocument": { "uri": uri, "version": 3 }, "contentChanges": [{ "range": place, "text": "" }] }),
    );
    assert!(editor.findings().contains(&"LB103".to_owned()), "the pool is called eb now");
    editor.close();
}

#[test]
fn an_editor_is_told_what_may_stand_where_and_what_it_means() {
    let folder = tempfile::tempdir().unwrap();
    let text = TEXT.replace("wbe", "web").replace("    health", "  balance \n    health");
    let mut editor = Editor::open(folder.path(), &text);
    let words = editor.about("completion", &text, "  balance ", json!({}));
    assert!(labels(&words).contains(&"least-requests"), "{words}");
    let nodes = editor.about("completion", &text, "pool web {\n  ", json!({}));
    assert!(labels(&nodes).contains(&"sticky") && !labels(&nodes).contains(&"listen"), "{nodes}");
    let pools = editor.about("completion", &text, "pool=", json!({}));
    assert_eq!(labels(&pools), ["web"]);
    let properties = editor.about("completion", &text, "\"127.0.0.1:9001\"", json!({}));
    assert!(!labels(&properties).contains(&"balance"), "{properties}");
    let hover = editor.about("hover", &text, "  bala", json!({}));
    let hover = hover["contents"]["value"].as_str().unwrap();
    assert!(hover.contains("not sticky") && hover.contains("lb_policy"), "{hover}");
    editor.close();
}

#[test]
fn an_editor_follows_and_changes_names_over_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("routes.kdl"), "route \"/more\" pool=web\n").unwrap();
    let text = TEXT.replace("wbe", "web") + "include \"routes.kdl\"\n";
    let mut editor = Editor::open(folder.path(), &text);
    let given = editor.about("definition", &text, "pool=we", json!({}));
    assert_eq!((&given[0]["range"]["start"]["line"], given.as_array().unwrap().len()), (&json!(1), 1));
    let uses =
        editor.about("references", &text, "pool web", json!({ "context": { "includeDeclaration": true } }));
    assert_eq!(uses.as_array().unwrap().len(), 3, "given once, used in both files: {uses}");
    let file = editor.about("definition", &text, "include \"rou", json!({}));
    assert!(file[0]["uri"].as_str().unwrap().ends_with("/routes.kdl"), "{file}");
    let edit = editor.about("rename", &text, "pool web", json!({ "newName": "site" }));
    let changed: usize =
        edit["changes"].as_object().unwrap().values().map(|edits| edits.as_array().unwrap().len()).sum();
    assert_eq!((edit["changes"].as_object().unwrap().len(), changed), (2, 3), "{edit}");
    let symbols = editor.about("documentSymbol", &text, "", json!({}));
    assert_eq!(symbols[1]["name"], "pool web");
    assert_eq!(symbols[1]["children"].as_array().unwrap().len(), 3);
    editor.close();
}

#[test]
fn an_editor_mends_and_formats() {
    let folder = tempfile::tempdir().unwrap();
    let mut editor = Editor::open(folder.path(), &TEXT.replace("pool=wbe", "pol=web"));
    assert!(editor.findings().contains(&"LB101".to_owned()), "a property is misspelt");
    let whole = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 9, "character": 0 } });
    let params = json!({ "range": whole, "context": { "diagnostics": [] } });
    let actions = editor.about("codeAction", TEXT, "", params);
    let edit =
        actions.as_array().unwrap().iter().find(|action| action["title"].as_str().unwrap().contains("LB101"));
    let edits = &edit.expect("a spelling can be mended")["edit"]["changes"][&editor.uri];
    assert_eq!(edits[0]["newText"], "pool");
    let formatted =
        editor.about("formatting", TEXT, "", json!({ "options": { "tabSize": 2, "insertSpaces": true } }));
    assert!(formatted[0]["newText"].as_str().unwrap().contains("\n  health \"/ready\"\n"), "{formatted}");
    editor.close();
}

#[test]
fn an_editor_shows_how_a_server_is_where_a_daemon_runs() {
    let origin = Origin::echo("a");
    let text = format!(
        "pool app {{\n  server one \"{}\"\n  server two \"127.0.0.1:9\"\n  health tcp interval=\"200ms\" timeout=\"200ms\" fall=1\n}}\n\
         route \"/\" pool=app\n",
        origin.address()
    );
    let daemon = Daemon::run(&text);
    eventually("the checks have found something", || {
        let servers = daemon.control("GET", "/v1/servers").1;
        let is = |at: usize, state: &str| servers[at]["health"]["state"] == state;
        (is(0, "up") && is(1, "down")).then_some(())
    });
    let folder = tempfile::tempdir().unwrap();
    let mut editor = Editor::near(&daemon.config().with_file_name("control.sock"), folder.path(), &text);
    let mut shown = |marker: &str| {
        let hover = editor.about("hover", &text, marker, json!({}));
        hover["contents"]["value"].as_str().unwrap_or_default().to_owned()
    };
    assert!(shown("server on").starts_with("In the running lbd: **up**, 0 requests and 0 sessions now."));
    assert!(shown("server tw").contains("In the running lbd: **down "), "{}", shown("server tw"));
    assert!(!shown("pool ap").contains("running"), "a pool has no state of its own");
    editor.close();
    drop(daemon);
    let mut alone = Editor::open(folder.path(), &text);
    let hover = alone.about("hover", &text, "server on", json!({}));
    let hover = hover["contents"]["value"].as_str().unwrap();
    assert!(!hover.is_empty() && !hover.contains("running"), "{hover}");
    alone.close();
}

#[test]
fn an_editor_shows_above_each_pool_how_many_of_its_servers_are_up() {
    let origin = Origin::echo("a");
    let check = "health tcp interval=\"200ms\" timeout=\"200ms\" fall=1";
    let text = format!(
        "pool app {{\n  server one \"{0}\"\n  server two \"127.0.0.1:9\"\n  {check}\n}}\n\
         pool other {{\n  server three \"{0}\"\n  {check}\n}}\nroute \"/\" pool=app\nroute \"/other\" pool=other\n",
        origin.address()
    );
    let daemon = Daemon::run(&text);
    let folder = tempfile::tempdir().unwrap();
    // A pool that does not run yet has no line.
    let typed = format!(
        "{text}pool new {{\n  server \"127.0.0.1:1\"\n}}\ndefaults {{\n  pool {{\n    panic\n  }}\n}}\n"
    );
    let mut editor = Editor::near(&daemon.config().with_file_name("control.sock"), folder.path(), &typed);
    let lenses = eventually("the checks have found something", || {
        let lenses = editor.about("codeLens", &typed, "", json!({}));
        let titles: Vec<&str> =
            lenses.as_array()?.iter().filter_map(|one| one["command"]["title"].as_str()).collect();
        let whole = |titles: &[&str]| titles[0].starts_with("1/2 up · two: down ") && titles[1] == "1/1 up";
        (titles.len() == 2 && whole(&titles)).then_some(lenses)
    });
    assert_eq!(
        (&lenses[0]["range"]["start"]["line"], &lenses[1]["range"]["start"]["line"]),
        (&json!(0), &json!(5))
    );
    editor.close();
    drop(daemon);
    let mut alone = Editor::open(folder.path(), &typed);
    assert_eq!(alone.about("codeLens", &typed, "", json!({})), json!([]));
    alone.close();
}

#[test]
fn typing_does_not_wait_for_a_daemon_that_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("silent.sock");
    let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let mut editor = Editor::near(&socket, folder.path(), TEXT);
    let document = json!({ "uri": editor.uri });
    let hover = json!({ "textDocument": document, "position": { "line": 2, "character": 4 } });
    let fold = json!({ "textDocument": document });
    // A machine that is busy may hold up the second question for as long as lbd waits for a daemon; not each time.
    eventually("the question after the hover is answered first", || {
        let (first, second) = (editor.asked + 1, editor.asked + 2);
        editor.asked = second;
        for (id, method, params) in [(first, "hover", &hover), (second, "foldingRange", &fold)] {
            let method = format!("textDocument/{method}");
            editor.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        }
        let mut answered = Vec::new();
        while answered.len() < 2 {
            let message = editor.read();
            answered.extend(message["id"].as_i64());
        }
        (answered == [i64::from(second), i64::from(first)]).then_some(())
    });
    editor.close();
}
