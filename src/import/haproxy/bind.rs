//! `bind` lines as listeners.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::kdl::{self, Block, ENV, quoted, word};
use super::super::verdict::Verdicts;
use super::fetch::Files;
use super::section::Section;
use super::units;
use super::words::Line;

/// The most addresses of one file.
const MAX_LISTENERS: usize = 256;

/// A listener.
#[derive(Debug, Clone)]
pub(super) struct Listener {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) address: String,
    /// 0 when the environment says it.
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) max_connections: Option<u32>,
    /// Of one address.
    pub(super) per_address: Option<u64>,
    /// Its nodes, without limits and what routing adds.
    pub(super) block: Block,
}

/// Names and addresses that are taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    names: BTreeSet<String>,
    addresses: BTreeSet<String>,
}

/// What the words behind the addresses say.
#[derive(Debug, Default)]
struct Options {
    ssl: bool,
    certificates: Vec<String>,
    alpn: Option<String>,
    h2c: bool,
    client_ca: Option<String>,
    request_only: bool,
    verify: bool,
    proxy: bool,
    min_version: Option<&'static str>,
    strict: bool,
    name: Option<String>,
    maxconn: Option<u32>,
    backlog: Option<u16>,
}

/// Every listener of a frontend.
pub(super) fn read(
    section: &Section<'_>,
    files: &Files<'_>,
    taken: &mut Taken,
    verdicts: &mut Verdicts,
) -> Vec<Listener> {
    let mut found = Vec::new();
    for line in section.all().filter(|line| line.word(0) == "bind") {
        verdicts.mapped(line.number, "listen");
        let options = match options(line, files, verdicts) {
            Ok(options) => options,
            Err(why) => {
                verdicts.refused(line.number, why);
                continue;
            }
        };
        match addresses(line.word(1)) {
            Ok(addresses) => {
                for (address, port) in addresses {
                    if taken.names.len() >= MAX_LISTENERS || !taken.addresses.insert(address.clone()) {
                        verdicts.refused(
                            line.number,
                            format!("`{address}` is another listener's already, or there are too many"),
                        );
                        continue;
                    }
                    let name = taken.name(section, &options, port);
                    found.push(listener(line, section, &options, (name, address, port), verdicts));
                }
            }
            Err(why) => verdicts.refused(line.number, why),
        }
    }
    found
}

impl Taken {
    fn name(&mut self, section: &Section<'_>, options: &Options, port: u16) -> String {
        let wanted = match &options.name {
            Some(name) => kdl::name(name),
            None => kdl::name(&section.name),
        };
        let mut name = wanted.clone();
        let mut count = 1;
        while !self.names.insert(name.clone()) {
            name = if count == 1 { format!("{wanted}-{port}") } else { format!("{wanted}-{port}-{count}") };
            count += 1;
        }
        name
    }
}

/// `*:80`, `10.0.0.1:80,10.0.0.2:80`, `:8000-8003`
fn addresses(text: &str) -> Result<Vec<(String, u16)>, String> {
    let mut found = Vec::new();
    for one in text.split(',') {
        let one = ["ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"]
            .iter()
            .find_map(|p| one.strip_prefix(p))
            .unwrap_or(one);
        if one.contains('@') || one.starts_with('/') {
            return Err(format!("`{one}`: lbd listens on TCP ports: `listen \"127.0.0.1:8080\"`"));
        }
        if one.contains(ENV) {
            found.push((one.trim_start_matches('*').to_owned(), 0));
            continue;
        }
        let (host, ports) = one.rsplit_once(':').ok_or_else(|| format!("`{one}` has no port"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = match host {
            "" | "*" | "0.0.0.0" | "::" => String::new(),
            v6 if v6.contains(':') => format!("[{v6}]"),
            other => other.to_owned(),
        };
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            return Err(format!("`{ports}` is no port"));
        };
        if last < first || last - first > 63 {
            return Err(format!("`{ports}`: at most 64 ports in a row"));
        }
        for port in first..=last {
            let address = format!("{host}:{port}");
            crate::config::values::listen_address(&address)
                .map_err(|_| format!("`{one}` is no address to listen on: names are not looked up"))?;
            found.push((address, port));
        }
    }
    Ok(found)
}

fn options(line: &Line, files: &Files<'_>, verdicts: &mut Verdicts) -> Result<Options, String> {
    let mut o = Options::default();
    let mut at = 2;
    while at < line.words.len() {
        let (key, value) = (line.word(at), line.word(at + 1));
        at += 1;
        if !o.flag(key, line, verdicts) {
            o.value(key, value, files)?;
            left_out(key, line, verdicts)?;
            at += 1;
        }
    }
    if o.ssl && o.certificates.is_empty() {
        return Err("`ssl` without a certificate: name it with `crt`".into());
    }
    Ok(o)
}

impl Options {
    /// Words without a value.
    fn flag(&mut self, key: &str, line: &Line, verdicts: &mut Verdicts) -> bool {
        let mut differs = |text: &str| verdicts.approximated(line.number, format!("`{key}`: {text}"));
        match key {
            "ssl" => self.ssl = true,
            "strict-sni" => self.strict = true,
            "force-tlsv13" => self.min_version = Some("1.3"),
            "accept-proxy" => {
                self.proxy = true;
                differs("name the senders in `proxy-protocol`; here everybody is one");
            }
            "no-sslv3"
            | "no-tlsv10"
            | "no-tlsv11"
            | "force-tlsv12"
            | "v4v6"
            | "v6only"
            | "tfo"
            | "no-tls-tickets"
            | "prefer-client-ciphers"
            | "defer-accept"
            | "generate-certificates" => {}
            "transparent" | "allow-0rtt" => differs("left out"),
            _ => return false,
        }
        true
    }

    /// Words with a value.
    fn value(&mut self, key: &str, value: &str, files: &Files<'_>) -> Result<(), String> {
        match key {
            "crt" => self.certificates.extend(certificates(&files.certificate(value), files)?),
            "crt-list" => self.certificates.extend(list(value, files)?),
            "ca-file" | "ca-verify-file" => self.client_ca = Some(files.authority(value)),
            "verify" => {
                self.verify = value != "none";
                self.request_only = value == "optional";
            }
            "alpn" | "npn" => self.alpn = Some(value.to_owned()),
            "proto" => self.h2c = value == "h2",
            "ssl-min-ver" => self.min_version = (value == "TLSv1.3").then_some("1.3"),
            "name" => self.name = Some(value.to_owned()),
            "maxconn" => self.maxconn = value.parse().ok().filter(|most| *most > 0),
            "backlog" => self.backlog = value.parse().ok().filter(|most| *most > 0),
            _ => {}
        }
        Ok(())
    }
}

/// The verdict on a word with a value that says less here, or nothing.
fn left_out(key: &str, line: &Line, verdicts: &mut Verdicts) -> Result<(), String> {
    let mut differs = |text: &str| verdicts.approximated(line.number, format!("`{key}`: {text}"));
    match key {
        "crt" | "ca-file" | "ca-verify-file" | "verify" | "alpn" | "npn" | "proto" | "ssl-min-ver"
        | "name" | "maxconn" | "backlog" => {}
        "crt-list" => {
            differs("its certificates are named here; filters and options of the list are left out")
        }
        "ciphers"
        | "ciphersuites"
        | "curves"
        | "ecdhe"
        | "sigalgs"
        | "ssl-max-ver"
        | "process"
        | "thread"
        | "mss"
        | "tcp-ut"
        | "nice"
        | "id"
        | "level"
        | "mode"
        | "user"
        | "group"
        | "uid"
        | "gid"
        | "shards"
        | "namespace"
        | "tls-ticket-keys"
        | "crl-file"
        | "crt-ignore-err"
        | "ca-ignore-err"
        | "severity-output"
        | "idle-ping"
        | "accept-netscaler-cip"
        | "expose-fd" => differs("left out"),
        "interface" => return Err("`interface`: write the address of that interface instead".into()),
        other => return Err(format!("`{other}` is not known of a `bind`")),
    }
    Ok(())
}

/// A file, or the certificates in a directory.
fn certificates(path: &str, files: &Files<'_>) -> Result<Vec<String>, String> {
    if path.is_empty() {
        return Err("`crt` needs a file".into());
    }
    let inside = files.loader.glob(&files.folder.join(path).join("*")).unwrap_or_default();
    let is_certificate = |file: &Path| {
        let end = file.extension().and_then(|end| end.to_str()).unwrap_or_default();
        !matches!(end, "key" | "ocsp" | "issuer" | "sctl" | "dh")
    };
    let found: Vec<String> = inside
        .iter()
        .filter(|file| is_certificate(file))
        .filter_map(|file| Some(Path::new(path).join(file.file_name()?).to_str()?.to_owned()))
        .take(MAX_LISTENERS)
        .collect();
    match found.is_empty() {
        false => Ok(found),
        true if path.ends_with('/') => Err(format!("no certificate was found in `{path}`: name the files")),
        true => Ok(vec![path.to_owned()]),
    }
}

impl Listener {
    /// The node with its nodes.
    pub(super) fn node(&self, out: &mut Block) {
        let mut inner = self.block.clone();
        let most = self.max_connections.map(|most| format!(" max-connections={most}"));
        let each = self.per_address.map(|most| format!(" max-connections-per-ip={most}"));
        if most.is_some() || each.is_some() {
            inner.line(format!("limits{}{}", most.unwrap_or_default(), each.unwrap_or_default()));
        }
        out.node(&format!("listen {} name={}", quoted(&self.address), word(&self.name)), &inner);
    }
}

/// The files of a `crt-list`.
fn list(path: &str, files: &Files<'_>) -> Result<Vec<String>, String> {
    let bytes = files
        .loader
        .read(&files.folder.join(path))
        .map_err(|error| format!("cannot read `{path}`: {error}"))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let names =
        text.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| !name.starts_with('#'));
    Ok(names.map(str::to_owned).take(MAX_LISTENERS).collect())
}

fn listener(
    line: &Line,
    section: &Section<'_>,
    o: &Options,
    (name, address, port): (String, String, u16),
    verdicts: &mut Verdicts,
) -> Listener {
    let mut block = Block::default();
    if o.ssl {
        block.append(&tls(line, o, verdicts));
    }
    if o.h2c {
        block.line("protocols h2c http1");
    }
    if o.proxy {
        block.line("proxy-protocol \"0.0.0.0/0\" \"::/0\"");
    }
    let most = o.maxconn.or_else(|| {
        let line = section.last(&["maxconn"])?;
        verdicts.mapped(line.number, "listen limits max-connections=");
        line.word(1).parse().ok().filter(|most| *most > 0)
    });
    if !section.is_tcp() {
        block.append(&timeouts(section, verdicts));
    }
    if let Some(backlog) = o.backlog {
        verdicts.mapped(line.number, format!("backlog={backlog}"));
    }
    let per_address = None;
    Listener { line: line.number, name, address, port, tls: o.ssl, max_connections: most, per_address, block }
}

fn tls(line: &Line, o: &Options, verdicts: &mut Verdicts) -> Block {
    let mut inner = Block::default();
    for file in &o.certificates {
        inner.line(format!("certificate {}", quoted(file)));
    }
    if let Some(alpn) = &o.alpn {
        let known: Vec<&str> =
            alpn.split(',').filter(|protocol| matches!(*protocol, "h2" | "http/1.1")).collect();
        if !known.is_empty() {
            inner.line(format!("alpn {}", known.iter().map(|p| word(p)).collect::<Vec<_>>().join(" ")));
        }
    }
    match &o.client_ca {
        Some(ca) if o.verify => {
            let mode = if o.request_only { " mode=request" } else { "" };
            inner.line(format!("client-ca {}{mode}", quoted(ca)));
        }
        _ if o.verify => {
            verdicts.approximated(line.number, "`verify` without `ca-file`: clients show no certificate")
        }
        _ => {}
    }
    let mut head = "tls".to_owned();
    if let Some(version) = o.min_version {
        head.push_str(&format!(" min-version=\"{version}\""));
    }
    if o.strict {
        head.push_str(" unknown-sni=reject");
    }
    let mut block = Block::default();
    block.node(&head, &inner);
    block
}

fn timeouts(section: &Section<'_>, verdicts: &mut Verdicts) -> Block {
    let mut node = String::new();
    for (name, property) in
        [("http-request", "request-header"), ("http-keep-alive", "keep-alive"), ("client", "write")]
    {
        let Some(line) = section.last(&["timeout", name]) else { continue };
        match units::duration(line.word(2)) {
            Some(time) => {
                node.push_str(&format!(" {property}={}", quoted(&time)));
                match name {
                    "client" => verdicts.approximated(
                        line.number,
                        "listen timeout write=; a request's body has `timeout idle=` of its pool",
                    ),
                    _ => verdicts.mapped(line.number, format!("listen timeout {property}=")),
                }
            }
            None => verdicts
                .approximated(line.number, "left out: lbd's own default holds, nothing waits without an end"),
        }
    }
    let mut block = Block::default();
    if !node.is_empty() {
        block.line(format!("timeout{node}"));
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_haproxy() {
        let check = |text: &str, expected: &[(&str, u16)]| {
            let found = addresses(text).unwrap_or_default();
            assert_eq!(found.iter().map(|(a, p)| (a.as_str(), *p)).collect::<Vec<_>>(), expected, "{text}");
        };
        check("*:80", &[(":80", 80)]);
        check(":443", &[(":443", 443)]);
        check("10.0.0.1:80,10.0.0.2:81", &[("10.0.0.1:80", 80), ("10.0.0.2:81", 81)]);
        check("[::1]:80", &[("[::1]:80", 80)]);
        check(":::80", &[(":80", 80)]);
        check(":8000-8001", &[(":8000", 8000), (":8001", 8001)]);
        for bad in ["", "80", "unix@/x", "/run/x.sock", "*:0", "*:1-9999", "name:80"] {
            assert!(addresses(bad).is_err(), "{bad}");
        }
    }
}
