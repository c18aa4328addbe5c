//! Who can reach what: LB702 (status for everybody), LB703 (control for everybody), LB704 and LB706
//! (everybody's word is believed), LB714 (a pool that leads back to lbd).

use std::net::IpAddr;
use std::path::Path;

use super::super::diagnostic::Diagnostic;
use super::super::model::{ListenAddress, Listener, Server};
use super::super::reader::Block;
use super::super::values::typed::Typed;
use super::Subject;

/// Directories that every user may write to.
const SHARED: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

pub(super) fn run(s: &Subject<'_>) {
    status(s);
    control(s);
    trusted(s, s.root);
    for listen in &s.written.listens {
        trusted(s, listen.reader.block());
        proxied(s, listen.reader.block());
    }
    loops(s);
}

fn status(s: &Subject<'_>) {
    let (Some(status), Some(node)) = (&s.model.status, s.root.one("status")) else { return };
    let local = status.address.ip.is_some_and(|ip| ip.is_loopback());
    if status.allow_from.is_empty() && !local {
        let finding = Diagnostic::warning("LB702", node.span(), "everyone can read `status` and its metrics");
        s.push(
            finding.label("no `allow-from`").help("add `allow-from \"10.0.0.0/8\"`, or listen on 127.0.0.1"),
        );
    }
}

fn control(s: &Subject<'_>) {
    let Some(node) = s.root.one("control") else { return };
    let control = &s.model.control;
    let warn = |key: &str, message: &str, label: &str, help: &str| {
        let at = node.written(key).unwrap_or(node.span());
        s.push(Diagnostic::warning("LB703", at, message).label(label).help(help));
    };
    if control.mode & 0o002 != 0 {
        let help = "use `mode=\"0660\"` and a group, and `read-socket=` for those who only look";
        warn("mode", "every user of this machine can operate lbd", "writable by all", help);
    }
    for (key, socket) in [("socket", &control.socket), ("read-socket", &control.read_socket)] {
        // Only there: a directory below belongs to somebody.
        let folder = socket.as_ref().and_then(|path| path.parent());
        if folder.is_some_and(|folder| SHARED.iter().any(|shared| folder == Path::new(shared))) {
            let help = "use a directory of its own, such as /run/lbd";
            warn(
                key,
                "a socket in a directory that all can write to",
                "others can put theirs in its place",
                help,
            );
        }
    }
}

fn trusted(s: &Subject<'_>, block: Block<'_>) {
    let Some(node) = block.one("trust-forwarded") else { return };
    for network in node.args(Typed::network).into_iter().filter(|n| n.value.prefix_len() == 0) {
        let finding = Diagnostic::warning("LB704", network.span, "clients can forge their address");
        s.push(finding.label("everyone is believed").help("name the networks of your own proxies only"));
    }
}

fn proxied(s: &Subject<'_>, block: Block<'_>) {
    let Some(node) = block.one("proxy-protocol") else { return };
    for network in node.args(Typed::network).into_iter().filter(|n| n.value.prefix_len() == 0) {
        let finding = Diagnostic::warning("LB706", network.span, "clients can forge their address");
        s.push(
            finding
                .label("everyone is asked for a PROXY header")
                .help("name the networks of the balancers in front only"),
        );
    }
}

fn loops(s: &Subject<'_>) {
    for written in &s.written.pools {
        for (server, node) in written.pool.servers.iter().filter_map(|server| {
            let nodes = written.reader.block().all("server");
            Some((server, nodes.into_iter().find(|n| n.arg_text(0) == server.name.as_ref())?))
        }) {
            let Some(listener) = s.model.listeners.iter().find(|listener| is_itself(listener, server)) else {
                continue;
            };
            let message = format!("server `{}` is lbd itself", server.name);
            let finding = Diagnostic::warning("LB714", node.span(), message);
            s.push(
                finding
                    .label(format!("this is listener `{}`", listener.name))
                    .help("a request would go round in a circle")
                    .subject(format!("pool/{}/server/{}", written.pool.name, server.name)),
            );
        }
    }
}

/// Whether a connection to `server` surely reaches `listener`.
fn is_itself(listener: &Listener, server: &Server) -> bool {
    let ListenAddress { ip, port } = listener.address;
    let target: Option<IpAddr> = match server.host.as_ref() {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        host => host.parse().ok(),
    };
    port != 0
        && port == server.port
        && target.is_some_and(|target| match ip {
            Some(ip) if !ip.is_unspecified() => ip == target,
            _ => target.is_loopback(),
        })
}
