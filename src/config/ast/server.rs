//! `server`: a name, which is its identity, and an address.

use std::collections::BTreeMap;

use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::{Name, Server};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;
use super::super::values::upstream_address;

/// Every `server` of a pool, sorted by name.
pub(crate) fn read(pool: Block<'_>) -> Vec<Server> {
    let mut seen: BTreeMap<Name, Span> = BTreeMap::new();
    let mut servers = Vec::new();
    for r in pool.all("server") {
        let Some(server) = server(r) else { continue };
        if let Some(first) = seen.get(&server.name) {
            let message = format!("two servers of this pool are named `{}`", server.name);
            let error =
                Diagnostic::error("LB106", r.span(), message).label("again here").also(*first, "first here");
            r.cx.push(error.help("a server's name is its identity: give one of them another name"));
            continue;
        }
        seen.insert(server.name.clone(), r.span());
        servers.push(server);
    }
    servers.sort_by(|a, b| a.name.cmp(&b.name));
    servers
}

fn server(r: Reader<'_>) -> Option<Server> {
    let weight = r.value("weight", Typed::int);
    let backup = r.value("backup", Typed::bool);
    let health_port = r.get("health-port", Typed::int);
    let max_requests = r.value("max-requests", Typed::int_off);
    let max_connections = r.value("max-connections", Typed::int_off);
    let zone = r.get("zone", Typed::text).map(Name::from);
    let address = r.arg(1, Typed::upstream);
    let first = r.arg(0, Typed::text)?;
    let address = match (r.arg_count(), address) {
        (1, _) => match upstream_address(&first.value) {
            Ok(address) => address,
            Err(error) => {
                let message = format!("`{}` is not the address of a server", first.value.escape_debug());
                let mut finding = Diagnostic::error("LB102", first.span, message).label(error.why);
                finding.help.extend(error.write.map(|write| format!("write \"{write}\"")));
                r.cx.push(finding.help("a server is `server \"host:port\"` or `server name \"host:port\"`"));
                return None;
            }
        },
        (_, address) => {
            let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-:[]".contains(&b);
            if !first.value.bytes().all(good) {
                let message = format!("`{}` is not a server's name", first.value.escape_debug());
                let error = Diagnostic::error("LB102", first.span, message);
                r.cx.push(error.label("names are a-z, 0-9 and . _ - and begin with a letter or digit"));
            }
            address?.value
        }
    };
    Some(Server {
        name: first.value.into(),
        host: address.host.into(),
        port: address.port,
        weight,
        backup,
        health_port,
        max_requests,
        max_connections,
        zone,
        place: r.place(),
    })
}
