//! `lbd lint` as people and pipelines call it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use crate::support::secure::Authority;
use crate::support::{After, Dns, Origin, lbd_bin};

/// A directory with files, in which `lbd lint` runs.
pub(super) struct Desk(TempDir);

/// What came of a run.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Desk {
    pub(super) fn with(name: &str, text: &str) -> Self {
        Self(tempfile::tempdir().unwrap()).and(name, text)
    }

    pub(super) fn and(self, name: &str, text: &str) -> Self {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(super) fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    pub(super) fn lint(&self, args: &[&str]) -> Done {
        self.lint_with(args, &[], "")
    }

    pub(super) fn lint_with(&self, args: &[&str], variables: &[(&str, &str)], stdin: &str) -> Done {
        let mut child = Command::new(lbd_bin())
            .arg("lint")
            .args(args)
            .current_dir(self.0.path())
            .env_remove("GITHUB_ACTIONS")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done { code: done.status.code(), stdout: text(done.stdout), stderr: text(done.stderr) }
    }
}

const GOOD: &str = "listen \":80\"\npool app {\n  server \"10.0.0.1:8080\"\n}\nroute \"/\" pool=app\n";

/// `GOOD` with something more.
fn good_and(more: &str) -> String {
    format!("{GOOD}{more}")
}

/// Each code and line that is told in plain.
fn codes(done: &Done) -> Vec<&str> {
    done.stdout.lines().filter_map(|line| line.split(' ').nth(2)).collect()
}

#[test]
fn findings_go_to_stdout_the_summary_to_stderr_and_the_exit_code_says_how_bad() {
    let desk = Desk::with("lbd.kdl", &good_and("let a \"1\"\n")).and("bad.kdl", &good_and("sever\n"));
    let plain = desk.lint(&["--format", "plain", "lbd.kdl"]);
    assert_eq!(
        (plain.code, plain.stdout.as_str()),
        (Some(0), "lbd.kdl:6:5: warning LB109 let `a` is never used\n")
    );
    assert!(plain.stderr.starts_with("lbd.kdl: 1 warning in "), "{}", plain.stderr);
    assert_eq!(desk.lint(&["--warn-as-error", "lbd.kdl"]).code, Some(1));
    assert_eq!(desk.lint(&["--fail-on", "warning", "lbd.kdl"]).code, Some(1));
    let bad = desk.lint(&["--format", "plain", "lbd.kdl", "bad.kdl"]);
    assert_eq!((bad.code, codes(&bad)), (Some(1), vec!["LB109", "LB101"]));
    assert!(bad.stderr.contains("\nbad.kdl: 1 error in "), "{}", bad.stderr);
    let missing = desk.lint(&["missing.kdl"]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert_eq!(desk.lint(&["--nothing"]).code, Some(2));
}

#[test]
fn a_pipeline_of_github_gets_annotations_without_asking() {
    let desk = Desk::with("lbd.kdl", &good_and("sever\n"));
    let done = desk.lint_with(&["lbd.kdl"], &[("GITHUB_ACTIONS", "true")], "");
    let first = done.stdout.lines().next().unwrap();
    assert!(
        first
            .starts_with("::error file=lbd.kdl,line=6,endLine=6,col=1,endColumn=6,title=LB101::unknown node"),
        "{first}"
    );
    assert_eq!(done.stdout.lines().last(), Some("1 error"));
}

#[test]
fn rules_are_allowed_denied_and_selected_by_code_or_by_how_it_begins() {
    let desk = Desk::with("lbd.kdl", &good_and("let a \"1\"\npool b { server \"10.0.0.2:1\"; }\n"));
    let plain = |args: &[&str]| desk.lint(&[&["--format", "plain"], args, &["lbd.kdl"]].concat());
    assert_eq!(codes(&plain(&[])), ["LB109", "LB104"]);
    assert_eq!(codes(&plain(&["--allow", "LB104"])), ["LB109"]);
    assert_eq!(codes(&plain(&["--allow", "LB1"])), [""; 0]);
    assert_eq!(codes(&plain(&["--select", "lb104"])), ["LB104"]);
    let denied = plain(&["--deny", "LB109"]);
    assert_eq!(denied.code, Some(1));
    assert!(denied.stdout.contains("error LB109"), "{}", denied.stdout);
    let unknown = plain(&["--deny", "LB1O4"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("no rule is named LB1O4; did you mean LB104?"), "{}", unknown.stderr);
}

#[test]
fn a_comment_with_a_reason_silences_and_one_that_silences_nothing_is_mended() {
    let desk = Desk::with("lbd.kdl", &good_and("// lint-allow LB109: for later\nlet a \"1\"\n"));
    let done = desk.lint(&["lbd.kdl"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""));
    assert!(done.stderr.starts_with("lbd.kdl: nothing to report in "), "{}", done.stderr);
    let idle = Desk::with("lbd.kdl", &good_and("// lint-allow LB109: for later\nroute \"/x\" pool=app\n"));
    assert_eq!(codes(&idle.lint(&["--format", "plain", "lbd.kdl"])), ["LB806"]);
    let fixed = idle.lint(&["--fix", "lbd.kdl"]);
    assert_eq!((fixed.code, fixed.stdout.as_str()), (Some(0), ""), "{fixed:?}");
    assert_eq!(idle.read("lbd.kdl"), good_and("route \"/x\" pool=app\n"));
}

#[test]
fn fixes_are_written_where_the_text_lies_with_its_mode_and_through_a_link() {
    let text = good_and("include \"more.kdl\"\n").replace("server", "sever");
    let desk = Desk::with("real.kdl", &text).and("more.kdl", "route /x pool=app\n");
    let real = desk.0.path().join("real.kdl");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.kdl", desk.0.path().join("lbd.kdl")).unwrap();

    let shown = desk.lint(&["--diff", "lbd.kdl"]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(shown.stdout.starts_with("--- lbd.kdl\n+++ lbd.kdl (fixed)\n@@"), "{}", shown.stdout);
    assert!(
        shown.stdout.contains("\n-  sever \"10") && shown.stdout.contains("\n+  server \"10"),
        "{}",
        shown.stdout
    );
    assert!(shown.stdout.contains("\n+++ more.kdl (fixed)\n"), "{}", shown.stdout);
    assert_eq!(desk.read("real.kdl"), text);

    let fixed = desk.lint(&["--fix", "lbd.kdl"]);
    assert_eq!((fixed.code, fixed.stdout.as_str()), (Some(0), ""), "{fixed:?}");
    assert!(
        fixed.stderr.starts_with("2 fixed in lbd.kdl, more.kdl\nlbd.kdl: nothing to report in "),
        "{}",
        fixed.stderr
    );
    assert_eq!(desk.read("real.kdl"), text.replace("sever", "server"));
    assert_eq!(desk.read("more.kdl"), "route \"/x\" pool=app\n");
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(desk.0.path().join("lbd.kdl").is_symlink());
    assert_eq!(fs::read_dir(desk.0.path()).unwrap().count(), 3, "nothing is left behind");
}

#[test]
fn standard_input_is_checked_and_mended_to_standard_output() {
    let desk = Desk::with("more.kdl", "route \"/x\" pool=app\n");
    let text = good_and("include \"more.kdl\"\n").replace("server", "sever");
    let found = desk.lint_with(&["--format", "plain", "-"], &[], &text);
    assert_eq!(found.code, Some(1));
    assert!(found.stdout.contains("<stdin>:3:3: error LB101 "), "{found:?}");
    let fixed = desk.lint_with(&["--fix", "-"], &[], &text);
    assert_eq!((fixed.code, fixed.stdout), (Some(0), text.replace("sever", "server")));
    assert_eq!(desk.lint(&["--unsafe", "-"]).code, Some(2));
}

#[test]
fn an_environment_that_is_not_at_hand_is_given_or_assumed() {
    let text = "listen \"${env:LBD_T_LISTEN}\"\nlet host \"${env:LBD_T_HOST}\"\npool app {\n  \
                server a \"${host}:8080\" weight=\"${env:LBD_T_WEIGHT}\"\n  server b \"10.0.0.2:1\"\n  health \"${env:LBD_T_PATH}\"\n}\n\
                pool b { server \"${host}:1\"; }\nroute \"/\" pool=\"${env:LBD_T_POOL}\" {\n  timeout idle=\"${env:LBD_T_IDLE}\"\n}\n";
    let desk = Desk::with("lbd.kdl", text)
        .and(
            "env",
            "# of production\nLBD_T_LISTEN=:80\nLBD_T_HOST=10.0.0.1\nLBD_T_WEIGHT=2\nLBD_T_PATH='/up'\n\
             LBD_T_POOL=app\nexport LBD_T_IDLE=\"5s\"\n",
        )
        .and("wrong", "no variable\n");
    let unset = desk.lint(&["--format", "plain", "lbd.kdl"]);
    assert_eq!((unset.code, codes(&unset)), (Some(1), vec!["LB111"; 6]));
    let assumed = desk.lint(&["--assume-env", "lbd.kdl"]);
    assert_eq!((assumed.code, assumed.stdout.as_str()), (Some(0), ""), "{assumed:?}");
    let given = desk.lint(&["--format", "plain", "--env-file", "env", "lbd.kdl"]);
    assert_eq!((given.code, codes(&given)), (Some(0), vec!["LB104"]), "{given:?}");
    let wrong = desk.lint(&["--env-file", "wrong", "lbd.kdl"]);
    assert_eq!((wrong.code, wrong.stderr.as_str()), (Some(2), "error: wrong:1: this is no `NAME=value`\n"));
    // What is wrong all the same is found.
    let desk = desk.and("lbd.kdl", &text.replace("idle=", "idel="));
    assert_eq!(codes(&desk.lint(&["--format", "plain", "--assume-env", "lbd.kdl"])), ["LB101"]);
}

#[test]
fn the_rules_are_listed_and_explained_without_a_network() {
    let desk = Desk::with("lbd.kdl", GOOD);
    let list = desk.lint(&["rules"]);
    assert_eq!(list.code, Some(0));
    assert!(
        list.stdout.contains("\nLB103  error         safe fix    a name that nobody has\n"),
        "{}",
        list.stdout
    );
    let json: serde_json::Value = serde_json::from_str(&desk.lint(&["rules", "--json"]).stdout).unwrap();
    let one = json.as_array().unwrap().iter().find(|rule| rule["code"] == "LB103").unwrap();
    assert_eq!((&one["fix"], &one["severities"][0]), (&"safe".into(), &"error".into()));
    let page = desk.lint(&["rule", "lb103"]);
    assert!(page.stdout.starts_with("# LB103: a name that nobody has\n"), "{}", page.stdout);
    let unknown = desk.lint(&["rule", "LB1O3"]);
    assert_eq!(
        (unknown.code, unknown.stderr.as_str()),
        (Some(2), "error: no rule is named LB1O3; did you mean LB103?\n")
    );
}

#[test]
fn online_every_server_is_looked_at_once_as_its_check_would() {
    let well = Origin::scripted(|message, wire| match message.target() {
        "/up" => wire.ok("up"),
        _ => {
            wire.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            Ok(After::Keep)
        }
    });
    let all = Origin::echo("log in");
    // Bound and never listened on: nobody is there, and nobody else can come.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let closed = socket.local_addr().unwrap().as_socket().unwrap();
    let text = format!(
        "listen \":80\"\npool app {{\n  health \"/up\" timeout=\"4s\"\n  server \"{}\"\n  server \"{}\"\n  server \"{closed}\"\n}}\n\
         pool plain {{\n  server \"{closed}\"\n}}\npool gone {{\n  server \"nobody.invalid:80\"\n}}\n\
         route \"/\" pool=app\nroute \"/p\" pool=plain\nroute \"/g\" pool=gone\n\
         lint {{ allow LB318 because=\"one of each\"; }}\n",
        well.address(),
        all.address(),
    );
    let desk = Desk::with("lbd.kdl", &text);
    assert_eq!(codes(&desk.lint(&["--format", "plain", "lbd.kdl"])), [""; 0]);
    let done = desk.lint(&["--format", "plain", "--online", "lbd.kdl"]);
    let lines: Vec<String> =
        done.stdout.lines().map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "lbd.kdl:5:3: warning LB903",
        "lbd.kdl:6:3: warning LB902",
        "lbd.kdl:9:3: warning LB902",
        "lbd.kdl:12:3: warning LB901",
    ];
    assert_eq!((done.code, lines), (Some(0), expected.map(str::to_owned).to_vec()), "{done:?}");
    assert!(done.stdout.contains("its check fails: connect"), "{}", done.stdout);
}

#[test]
fn online_servers_that_dns_gives_are_looked_at_too() {
    let well = Origin::echo("up");
    let port = well.address().port();
    let Some(dns) = Dns::start(&["127.0.0.1 app.test", "127.0.0.9 app.test"], 60) else { return };
    let text = format!(
        "{}listen \":80\"\npool app {{\n  health tcp\n  discover \"app.test:{port}\"\n}}\n\
         pool gone {{\n  discover \"nobody.test:80\"\n}}\npool named {{\n  server a \"app.test:{port}\"\n}}\n\
         route \"/\" pool=app\nroute \"/g\" pool=gone\nroute \"/n\" pool=named\n",
        dns.resolver("")
    );
    let desk = Desk::with("lbd.kdl", &text);
    let done = desk.lint(&["--format", "plain", "--online", "lbd.kdl"]);
    let told = |line: &str| done.stdout.lines().find(|told| told.starts_with(line)).map(str::to_owned);
    // Of two addresses one has nobody: it is named where the `discover` stands. The name server that the file names
    // is asked for hosts of servers, too, or `named` would have no address.
    let refused = told("lbd.kdl:5:3: warning LB902").unwrap_or_default();
    assert!(refused.contains(&format!("127.0.0.9:{port}")), "{done:?}");
    assert!(!done.stdout.contains(&format!("`127.0.0.1:{port}`")), "{done:?}");
    let empty = told("lbd.kdl:8:3: warning LB901").unwrap_or_default();
    assert!(empty.contains("`nobody.test` gives no servers from here"), "{done:?}");
    assert!(!done.stdout.contains("lbd.kdl:11:3: warning LB901"), "{done:?}");
    assert_eq!(done.code, Some(0));
}

/// Shakes hands with whoever comes, with the certificate in `file`.
fn shakes_hands(ip: &str, authority: &Authority, file: &std::path::Path) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind((ip, 0)).unwrap();
    let (address, config) = (listener.local_addr().unwrap(), Arc::new(authority.server(file, &[])));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            // Who does not like the certificate goes away.
            let _ = stream.and_then(|mut stream| connection.complete_io(&mut stream));
        }
    });
    address
}

#[test]
fn online_a_certificate_that_lacks_the_address_is_named() {
    let authority = Authority::new();
    let file = authority.issue("server.pem", "app.internal");
    let (right, wrong) =
        (shakes_hands("127.0.0.1", &authority, &file), shakes_hands("127.0.0.2", &authority, &file));
    let ca = authority.path("ca.pem");
    let pool = |name: &str| {
        format!(
            "  server \"{right}\"\n  server \"{wrong}\"\n  tls ca=\"{}\"{name}\n  health tcp\n",
            ca.display()
        )
    };
    let text = format!(
        "listen \":80\"\npool app {{\n{}}}\npool named {{\n{}}}\nroute \"/\" pool=app\nroute \"/n\" pool=named\n",
        pool(""),
        pool(" server-name=\"app.internal\""),
    );
    let done = Desk::with("lbd.kdl", &text).lint(&["--format", "plain", "--online", "lbd.kdl"]);
    let found: Vec<&str> = done.stdout.lines().filter(|line| line.contains("warning LB")).collect();
    assert!(found.len() == 1 && found[0].starts_with("lbd.kdl:4:3: warning LB609"), "{done:?}");
    assert!(found[0].contains("127.0.0.2"), "{done:?}");
}

#[test]
fn fixes_of_several_files_are_all_written_or_none() {
    // So long a name has room for no other beside it: what is to be put in place cannot be written.
    let long = format!("{}.kdl", "z".repeat(250));
    let main = good_and(&format!("include \"a.kdl\" \"{long}\"\n")).replace("server", "sever");
    let (first, second) = ("route /x pool=app\n", "route /y pool=app\n");
    let desk = Desk::with("lbd.kdl", &main).and("a.kdl", first).and(&long, second);
    let done = desk.lint(&["--fix", "lbd.kdl"]);
    assert_eq!(done.code, Some(2), "{done:?}");
    let told = &done.stderr;
    assert!(
        told.contains("nothing is mended, every file is as it was; cannot write") && told.contains("zzz"),
        "{told}"
    );
    assert_eq!((desk.read("lbd.kdl"), desk.read("a.kdl").as_str()), (main, first));
    assert_eq!(desk.read(&long), second);
    let mut left: Vec<_> =
        fs::read_dir(desk.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a.kdl", "lbd.kdl", long.as_str()]);
}

#[test]
fn a_file_that_anyone_can_change_is_told_where_it_will_run_and_not_in_a_pipeline() {
    let desk = Desk::with("lbd.kdl", GOOD);
    let path = desk.0.path().join("lbd.kdl");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o646)).unwrap();
    let here = desk.lint(&["lbd.kdl", "--format", "plain"]);
    assert!(here.stdout.contains("LB802"), "{here:?}");
    assert_eq!(desk.lint(&["lbd.kdl", "--format", "plain", "--files", "no"]).stdout, "");
    assert_eq!(desk.lint(&["lbd.kdl", "--format", "plain", "--assume-env"]).stdout, "");
}
