//! A `backend`, or the server side of a `listen`, as a `pool`.

use std::collections::BTreeSet;

use super::super::kdl::{Block, quoted};
use super::super::verdict::Verdicts;
use super::fetch::Files;
use super::section::Section;
use super::server::{self, Server, Settings};
use super::words::Line;
use super::{check, stick, units};

/// A pool, and what its routes must say for it.
#[derive(Debug)]
pub(super) struct Backend {
    /// As lbd knows it.
    pub(super) pool: String,
    pub(super) block: Block,
    /// Whether it has servers.
    pub(super) served: bool,
    /// Whether some are written, perhaps turned off.
    pub(super) written: bool,
}

/// What `global` says for all.
pub(super) struct World<'a> {
    pub(super) files: &'a Files<'a>,
    /// `ssl-server-verify none`.
    pub(super) verify_none: bool,
}

/// Reads the servers and how they are used. Rules are read elsewhere.
pub(super) fn read(
    section: &Section<'_>,
    pool: String,
    world: &World<'_>,
    verdicts: &mut Verdicts,
) -> Backend {
    let servers = servers(section, world, verdicts);
    let mut block = Block::default();
    let same_tls = one_kind(servers, verdicts);
    let servers = unique(same_tls, verdicts);
    for server in &servers {
        block.line(server_line(server, &servers, verdicts));
    }
    for line in section.all() {
        pool_line(line, verdicts);
    }
    block_of(section, &servers, &mut block, verdicts);
    let served = servers.iter().any(|server| !server.settings.disabled);
    Backend { pool, block, served, written: !servers.is_empty() }
}

fn servers(section: &Section<'_>, world: &World<'_>, verdicts: &mut Verdicts) -> Vec<Server> {
    let mut defaults =
        Settings { verify: world.verify_none.then(|| "none".to_owned()), ..Settings::default() };
    let mut servers = Vec::new();
    for line in section.all() {
        match line.word(0) {
            "default-server" => match defaults.read(line.number, line.from(1), verdicts) {
                Ok(()) => verdicts.mapped(line.number, "in the nodes of its pools"),
                Err(why) => verdicts.refused(line.number, why),
            },
            "server" | "server-template" => servers.extend(server::read(line, &defaults, verdicts)),
            "dispatch" => {
                verdicts.refused(line.number, "write it as a `server` with a name and import again");
            }
            _ => {}
        }
    }
    for server in &mut servers {
        let s = &mut server.settings;
        s.ca_file = s.ca_file.take().map(|file| world.files.authority(&file));
        s.crt = s.crt.take().map(|file| world.files.certificate(&file));
    }
    servers
}

/// A pool speaks TLS to all of its servers, or to none.
fn one_kind(servers: Vec<Server>, verdicts: &mut Verdicts) -> Vec<Server> {
    let Some(tls) = servers.first().map(|server| server.settings.ssl) else { return servers };
    let (good, bad): (Vec<_>, Vec<_>) = servers.into_iter().partition(|server| server.settings.ssl == tls);
    for server in bad {
        verdicts.refused(
            server.line,
            "a pool speaks TLS to all of its servers or to none: give this one a backend of its own",
        );
    }
    good
}

fn unique(servers: Vec<Server>, verdicts: &mut Verdicts) -> Vec<Server> {
    let mut names = BTreeSet::new();
    let mut out = Vec::new();
    for mut server in servers {
        let first = server.name.clone();
        let mut count = 1;
        while !names.insert(server.name.clone()) {
            count += 1;
            server.name = format!("{first}-{count}");
        }
        if count > 1 {
            verdicts.approximated(server.line, format!("its name is `{}` here", server.name));
        }
        out.push(server);
    }
    out
}

fn server_line(server: &Server, all: &[Server], verdicts: &mut Verdicts) -> String {
    let s = &server.settings;
    if server.discovered {
        let kind = if server.address.starts_with('_') { " kind=srv" } else { "" };
        return format!("discover {}{kind}", quoted(&server.address));
    }
    let mut out = String::new();
    if s.disabled {
        out.push_str("/-");
        verdicts.approximated(
            server.line,
            "`disabled`: turned off by `/-` in front; HAProxy has it in maintenance",
        );
    }
    out.push_str(&format!("server {} {}", super::super::kdl::word(&server.name), quoted(&server.address)));
    if let Some(weight) = s.weight {
        out.push_str(&format!(" weight={weight}"));
    }
    if s.backup {
        out.push_str(" backup=#true");
    }
    if let Some(most) = s.max_requests {
        out.push_str(&format!(" max-requests={most}"));
    }
    let ports: BTreeSet<Option<u16>> =
        all.iter().filter(|s| s.settings.check).map(|s| s.settings.port).collect();
    if let (Some(port), true) = (s.port.filter(|_| s.check), ports.len() > 1) {
        out.push_str(&format!(" health-port={port}"));
    }
    out
}

/// The verdict on lines that need no more than one.
fn pool_line(line: &Line, verdicts: &mut Verdicts) {
    let n = line.number;
    match line.word(0) {
        "hash-type" => {
            verdicts.approximated(n, "`hash` moves few clients when servers come and go (rendezvous)")
        }
        "fullconn" => verdicts.approximated(n, "left out: `maxconn` of a server holds at any load"),
        "dynamic-cookie-key" => verdicts.approximated(n, "left out: lbd has a key of its own"),
        "server-state-file-name" | "load-server-state-from-file" | "use-server"
            if line.word(0) != "use-server" =>
        {
            verdicts.approximated(n, "left out: lbd remembers the wishes of operators by itself");
        }
        "use-server" => verdicts.refused(n, "make a pool of that server, and a route to it"),
        "http-reuse" => match line.word(1) {
            "never" => verdicts.mapped(n, "connections max-uses=1"),
            _ => verdicts.mapped(n, "connections to servers are reused"),
        },
        "http-send-name-header" => {
            verdicts.refused(n, "servers are not told their name; set a header for each pool")
        }
        "max-keep-alive-queue" | "retry-on" | "retries" | "source" | "email-alert" => {}
        _ => {}
    }
    if line.word(0) == "source" {
        verdicts.refused(n, "lbd calls servers from the address that the system chooses; servers learn of clients by X-Forwarded-For");
    }
}

fn block_of(section: &Section<'_>, servers: &[Server], block: &mut Block, verdicts: &mut Verdicts) {
    if let Some(balance) = balance(section, verdicts) {
        block.line(balance);
    }
    for node in stick::sticky(section, servers, verdicts) {
        block.line(node);
    }
    if let Some(health) = check::health(section, servers, verdicts) {
        block.line(health);
    }
    if let Some(tls) = tls(servers, verdicts) {
        block.line(tls);
    }
    timeouts(section, servers, block, verdicts);
    let settings = || servers.iter().map(|server| &server.settings);
    if let Some(time) = settings().find_map(|s| s.slow_start.as_ref()) {
        block.line(format!("slow-start {}", quoted(time)));
    }
    if settings().any(|s| s.observe) {
        let failures = settings()
            .find_map(|s| s.error_limit)
            .map_or(String::new(), |n| format!(" failures={}", n.max(1)));
        block.line(format!("passive{failures}"));
        servers.iter().filter(|server| server.settings.observe).for_each(|server| {
            verdicts.approximated(
                server.line,
                "`observe`: a server that fails requests is ejected for a while (`passive`)",
            );
        });
    }
    let mut connections = String::new();
    if let Some(version) = settings().find_map(|s| s.http2) {
        connections.push_str(&format!(" http={version}"));
    }
    if let Some(version) = settings().find_map(|s| s.send_proxy) {
        connections.push_str(&format!(" send-proxy={version}"));
    }
    if let Some(idle) = settings().find_map(|s| s.max_idle) {
        connections.push_str(&format!(" max-idle={idle}"));
    }
    match settings().find_map(|s| s.max_uses) {
        Some(uses) => connections.push_str(&format!(" max-uses={uses}")),
        None if section.last(&["http-reuse"]).is_some_and(|line| line.word(1) == "never") => {
            connections.push_str(" max-uses=1");
        }
        None => {}
    }
    if !connections.is_empty() {
        block.line(format!("connections{connections}"));
    }
}

/// <https://docs.haproxy.org/2.6/configuration.html#4.2-balance>
fn balance(section: &Section<'_>, verdicts: &mut Verdicts) -> Option<String> {
    let headroom = section.last(&["hash-balance-factor"]).and_then(|line| {
        verdicts.mapped(line.number, "balance hash headroom=");
        let factor: u32 = line.word(1).parse().ok()?;
        factor.checked_sub(100).filter(|share| (1..=100).contains(share))
    });
    let line = section.last(&["balance"])?;
    let full = line.word(1);
    let (name, arg) = match full.split_once('(') {
        Some((name, arg)) => (name, arg.trim_end_matches(')')),
        None => (full, line.word(2)),
    };
    let hash = |key: String| {
        let headroom = headroom.map_or(String::new(), |share| format!(" headroom=\"{share}%\""));
        Some(format!("balance hash key={}{headroom}", quoted(&key)))
    };
    let n = line.number;
    verdicts.mapped(n, "balance");
    match name {
        "roundrobin" | "static-rr" | "" => Some("balance round-robin".into()),
        "leastconn" => Some("balance least-connections".into()),
        "random" if arg == "1" => Some("balance random".into()),
        "random" => Some("balance p2c".into()),
        "first" => {
            verdicts
                .approximated(n, "`first` fills one server after the other; least-requests spreads instead");
            Some("balance least-requests".into())
        }
        "source" => hash("source-ip".into()),
        "uri" => {
            if line.words.len() > 2 {
                verdicts.approximated(n, "the whole path counts, without a query");
            }
            hash("path".into())
        }
        "url_param" if !arg.is_empty() => hash(format!("query:{arg}")),
        "hdr" if arg.eq_ignore_ascii_case("host") => hash("host".into()),
        "hdr" if !arg.is_empty() => hash(format!("header:{}", arg.split(',').next().unwrap_or(arg))),
        _ => {
            verdicts.refused(n, "lbd balances by round-robin, load, or a hash of source-ip, header, cookie, query, path or host");
            None
        }
    }
}

fn tls(servers: &[Server], verdicts: &mut Verdicts) -> Option<String> {
    let first = servers.iter().find(|server| server.settings.ssl)?;
    let s = &first.settings;
    let mut node = "tls".to_owned();
    let verify = s.verify.as_deref().unwrap_or("required");
    match verify {
        "none" => node.push_str(" verify=none"),
        _ if s.server_name.is_some() && s.verify_host => {}
        _ => node.push_str(" verify=chain"),
    }
    let ca = s.ca_file.as_deref().filter(|ca| *ca != "@system-ca" && verify != "none");
    for (key, value) in
        [("ca", ca), ("certificate", s.crt.as_deref()), ("server-name", s.server_name.as_deref())]
    {
        if let Some(value) = value {
            node.push_str(&format!(" {key}={}", quoted(value)));
        }
    }
    if let Some(version) = s.min_version {
        node.push_str(&format!(" min-version=\"{version}\""));
    }
    for server in servers {
        let o = &server.settings;
        if (&o.verify, &o.ca_file, &o.crt, &o.server_name) != (&s.verify, &s.ca_file, &s.crt, &s.server_name)
        {
            verdicts.approximated(server.line, "TLS is that of the pool's first server");
        }
    }
    Some(node)
}

fn timeouts(section: &Section<'_>, servers: &[Server], block: &mut Block, verdicts: &mut Verdicts) {
    let mut node = String::new();
    let mut queue = String::new();
    for (name, properties) in [
        ("connect", &["connect"][..]),
        ("server", &["response", "idle"]),
        ("tunnel", &["tunnel-idle"]),
        ("queue", &["timeout"]),
    ] {
        let Some(line) = section.last(&["timeout", name]) else { continue };
        let Some(time) = units::duration(line.word(2)) else {
            verdicts
                .approximated(line.number, "left out: lbd's own default holds, nothing waits without an end");
            continue;
        };
        let into = if name == "queue" { &mut queue } else { &mut node };
        for property in properties {
            into.push_str(&format!(" {property}={}", quoted(&time)));
        }
        let what = if name == "queue" {
            "queue timeout=".to_owned()
        } else {
            format!("timeout {}=", properties.join("=, "))
        };
        verdicts.mapped(line.number, what);
    }
    if !node.is_empty() {
        block.line(format!("timeout{node}"));
    }
    let full = servers.iter().any(|server| server.settings.max_requests.is_some());
    let size = servers
        .iter()
        .find_map(|server| server.settings.queue)
        .map_or(String::new(), |n| format!(" size={n}"));
    if full && !(queue.is_empty() && size.is_empty()) {
        block.line(format!("queue{size}{queue}"));
    }
}
