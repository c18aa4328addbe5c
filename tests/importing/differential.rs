//! The same requests to a real HAProxy and to lbd with the imported configuration: the same pool, the same redirects and
//! refusals, the same fields for servers and clients.

use super::*;

/// Debian's package has it here.
const HAPROXY: &str = "/usr/sbin/haproxy";

/// Fields of requests that both write, or that rules of the samples edit.
const FORWARDED: &[&str] =
    &["host", "x-forwarded-for", "x-forwarded-proto", "x-area", "x-seen", "x-secret", "x-backend"];

/// A balancer, killed when dropped.
struct Balancer {
    child: Child,
    address: SocketAddr,
    _dir: TempDir,
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program that listens on an address, its output in a file.
fn start(mut command: Command, address: SocketAddr, dir: TempDir) -> Balancer {
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    let errors = log.try_clone().unwrap();
    let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().unwrap();
    let mut balancer = Balancer { child, address, _dir: dir };
    eventually("the balancer accepts connections", || {
        if let Some(status) = balancer.child.try_wait().unwrap() {
            let log = std::fs::read_to_string(balancer._dir.path().join("log")).unwrap_or_default();
            panic!("it ended with {status}:\n{log}");
        }
        TcpStream::connect(address).ok()
    });
    balancer
}

fn haproxy(config: &str, address: SocketAddr) -> Balancer {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("haproxy.cfg");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(HAPROXY);
    command.arg("-db").arg("-f").arg(file);
    start(command, address, dir)
}

/// lbd with what the importer made of it.
fn lbd(config: &str, address: SocketAddr) -> Balancer {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("haproxy.cfg");
    std::fs::write(&file, config).unwrap();
    let done = import(&["-o", dir.path().to_str().unwrap()], &file);
    assert!(matches!(done.status.code(), Some(0)), "{}", String::from_utf8_lossy(&done.stdout));
    let made = dir.path().join("lbd.kdl");
    let mut text = std::fs::read_to_string(&made).unwrap();
    text.push_str(&format!("control socket=\"{}/control.sock\"\n", dir.path().display()));
    std::fs::write(&made, text).unwrap();
    let mut command = Command::new(lbd_bin());
    command.arg("run").arg(made).args(["--workers", "1", "--state-dir"]).arg(dir.path().join("state"));
    start(command, address, dir)
}

/// Both, with the sample's addresses replaced: the front's by a port of each, the servers' by those of origins. Nothing
/// where HAProxy is not installed and somebody said that this may be.
fn both(sample: &str, front: &str, servers: &[(&str, &Origin)]) -> Option<(Balancer, Balancer)> {
    if !Path::new(HAPROXY).exists() {
        let skipped = std::env::var_os("LBD_SKIP_HAPROXY").is_some();
        assert!(
            skipped,
            "{HAPROXY} is not installed, and nothing was compared: `apt-get install haproxy`, or set LBD_SKIP_HAPROXY=1 to go without"
        );
        eprintln!("SKIPPED: {HAPROXY} is not installed");
        return None;
    }
    let made = |address: SocketAddr| {
        let mut text = sample.replace(front, &address.to_string());
        for (from, origin) in servers {
            text = text.replace(from, &origin.address().to_string());
        }
        text
    };
    let (_one, first) = reserve_port();
    let (_other, second) = reserve_port();
    Some((haproxy(&made(first), first), lbd(&made(second), second)))
}

/// What is compared of an answer.
fn outcome(balancer: &Balancer, method: &str, target: &str, fields: &str) -> Vec<String> {
    let mut client = Client::connect(balancer.address);
    client.send(format!(
        "{method} {target} HTTP/1.1\r\n{fields}Content-Length: 0\r\nConnection: close\r\n\r\n"
    ));
    let answer = client.read(if method == "HEAD" { Tail::Nothing } else { Tail::AsSaid });
    let mut seen = vec![answer.status().to_string()];
    for name in ["location", "x-served-by"] {
        seen.extend(answer.field(name).map(|value| format!("{name}: {value}")));
    }
    seen.extend(forwarded(&answer));
    seen
}

/// The origin's name, what it was asked, and the fields that both balancers write.
fn forwarded(answer: &Message) -> Vec<String> {
    if answer.status() != 200 || !answer.text().contains(" HTTP/1.1\n") {
        return vec![answer.text().to_owned()].into_iter().filter(|_| answer.status() == 200).collect();
    }
    let text = answer.text();
    let kept = |line: &&str| FORWARDED.iter().any(|name| line.starts_with(&format!("{name}: ")));
    let mut lines: Vec<String> = text.lines().take(2).map(str::to_owned).collect();
    let mut fields: Vec<String> = text.lines().skip(2).filter(kept).map(str::to_owned).collect();
    fields.sort();
    lines.append(&mut fields);
    lines
}

/// Asks both the same, so many times; gives back how many kinds of answers there were.
fn compare(
    pair: &(Balancer, Balancer),
    (count, seed): (usize, u64),
    hosts: &[&str],
    paths: &[&str],
) -> usize {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut kinds = std::collections::BTreeSet::new();
    for _ in 0..count {
        let mut pick = |all: &[&'static str]| all[rng.usize(0..all.len())];
        let method = pick(&["GET", "GET", "GET", "POST", "PUT", "DELETE"]);
        let fields = [
            pick(&["", "", "X-Version: 2\r\n", "X-Version: 1\r\n"]),
            pick(&["", "", "Cookie: a=1; beta=yes\r\n", "Cookie: other=beta\r\n"]),
            pick(&["", "X-Secret: s\r\nX-Seen: none\r\n", "X-Area: mine\r\n"]),
        ]
        .concat();
        let query = pick(&["", "", "?v=2", "?a=b&v=1"]);
        let host = hosts[rng.usize(0..hosts.len())];
        let target = format!("{}{query}", paths[rng.usize(0..paths.len())]);
        let fields = format!("Host: {host}\r\n{fields}");
        let expected = outcome(&pair.0, method, &target, &fields);
        let found = outcome(&pair.1, method, &target, &fields);
        assert_eq!(found, expected, "{method} {target}\n{fields}");
        kinds.insert(expected.into_iter().take(2).collect::<Vec<_>>());
    }
    kinds.len()
}

#[test]
fn haproxy_and_lbd_choose_the_same_in_an_order_of_conditions() {
    let origins = ["a", "b", "c", "d"].map(Origin::echo);
    let addresses = ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003", "127.0.0.1:9004"];
    let servers: Vec<_> = addresses.into_iter().zip(&origins).collect();
    let text = std::fs::read_to_string(sample("order.cfg")).unwrap();
    let Some(pair) = both(&text, "127.0.0.1:8080", &servers) else { return };
    let paths = [
        "/",
        "/home",
        "/health",
        "/api",
        "/api/x",
        "/api/move/1",
        "/apis",
        "/api/logo.png",
        "/logo.png",
        "/css/x.css",
        "/old/x",
        "/oldest",
        "/admin",
        "/ADMIN/x",
        "/administrator.js",
        "/a/shared/b",
        "/shared",
        "/sharedx",
        "/inner/x",
        "/x/secret.png",
        "/API/x",
    ];
    let kinds = compare(&pair, (400, 5), &["api.test", "www.shop.test", "shop.test", "API.test"], &paths);
    assert!(kinds > 8, "requests that differ in nothing prove nothing: {kinds}");
}

#[test]
fn haproxy_and_lbd_choose_the_same_for_a_thingworx_cluster() {
    let origins = ["platform", "connection", "flow"].map(Origin::echo);
    // Without TLS and checks, and with one server of each kind: which kind is asked is what counts.
    let text = std::fs::read_to_string(sample("thingworx.cfg")).unwrap();
    let text = text.split("frontend clear").next().unwrap().split("defaults").nth(1).unwrap().to_owned()
        + text.split("frontend secure").nth(1).map(|rest| format!("frontend secure{rest}")).unwrap().as_str();
    let text = format!("defaults{}", text.split("listen stats").next().unwrap());
    let drop = |line: &&str| {
        !["server tw2", "server cx2", "server flow2"].iter().any(|begin| line.trim_start().starts_with(begin))
    };
    let text: String = text.lines().filter(drop).map(|line| format!("{line}\n")).collect();
    let text = text
        .replace("ssl crt /etc/haproxy/twx.pem", "")
        .replace("ssl verify none", "")
        .replace("check port 9009", "");
    let text = text.replace(" check inter 5s rise 2 fall 3", "").replace(":8443 check ", ":8443 ");
    let text = text.replace("log global", "").replace("*:443", "127.0.0.1:443");
    let servers =
        [("10.0.0.11:8443", &origins[0]), ("10.0.0.21:8443", &origins[1]), ("10.0.0.31:8443", &origins[2])];
    let text = text.replace("except 127.0.0.0/8", "");
    let Some(pair) = both(&text, "127.0.0.1:443", &servers) else { return };
    let paths = [
        "/",
        "/Thingworx",
        "/Thingworx/WS",
        "/thingworx/ws",
        "/Thingworx/WS/abc",
        "/Thingworx/WSTunnelServer/1",
        "/THINGWORX/WSTunnelClient",
        "/Thingworx/VWS",
        "/Thingworx/Composer/apps/flow",
        "/Thingworx/Composer/index.html",
        "/Thingworx/Flow/x",
        "/Thingworx/flows",
        "/Thingworx/Triggers",
        "/enterprise/v1/fetchconfig",
        "/enterprise/v1",
        "/Thingworx/Subsystems/EventProcessingSubsystem/Subscriptions/1",
        "/Thingworx/Things",
    ];
    let kinds = compare(&pair, (240, 6), &["twx.test", "other.test:443"], &paths);
    assert_eq!(kinds, 3, "each kind of server is asked");
}
