//! `discover`: a name of DNS whose addresses, or services, are servers of the pool.

use std::time::Duration;

use super::super::diagnostic::Diagnostic;
use super::super::model::{Discover, DiscoverKind, OnFailure};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;
use super::super::values::{Invalid, host_or_name, upstream_address};

/// The least that a server is held which DNS names no longer, unless the file says how long.
const SHORTEST_HOLD: Duration = Duration::from_secs(30);

/// Every `discover` of a pool, sorted by name; `refresh` is the resolver's.
pub(crate) fn read(pool: Block<'_>, refresh: Duration) -> Vec<Discover> {
    let mut found: Vec<Discover> = Vec::new();
    for r in pool.all("discover") {
        let Some(discover) = discover(r, refresh) else { continue };
        if found.iter().any(|other| (&other.name, other.kind) == (&discover.name, discover.kind)) {
            let message = format!("this pool asks for `{}` twice", discover.name);
            let error = Diagnostic::error("LB106", r.span(), message).label("again here");
            r.cx.push(error.help("remove one of them"));
            continue;
        }
        found.push(discover);
    }
    found.sort_by(|a, b| (&a.name, a.kind).cmp(&(&b.name, b.kind)));
    found
}

fn discover(r: Reader<'_>, refresh: Duration) -> Option<Discover> {
    let is_service = r.value("kind", Typed::word) == "srv";
    let refresh = r.get("refresh", Typed::time).unwrap_or(refresh);
    // Three answers: a name that one of them leaves out may be in the next.
    let hold = r.get("hold", Typed::time).unwrap_or((refresh * 3).max(SHORTEST_HOLD));
    let on_failure = match r.value("on-failure", Typed::word) {
        "empty" => OnFailure::Empty,
        _ => OnFailure::KeepLast,
    };
    let source = r.arg(0, Typed::text)?;
    let said = if is_service { service(&source.value) } else { address(&source.value) };
    match said {
        Ok((name, kind)) => Some(Discover { name: name.into(), kind, refresh, hold, on_failure }),
        Err(error) => {
            let message = format!("`{}` is nothing to discover", source.value.escape_debug());
            let mut finding = Diagnostic::error("LB102", source.span, message).label(error.why);
            finding.help.extend(error.write.map(|write| format!("write \"{write}\"")));
            let shapes =
                "`discover \"app.internal:8080\"`, or `discover \"_http._tcp.app.internal\" kind=srv`";
            r.cx.push(finding.help(shapes));
            None
        }
    }
}

fn address(text: &str) -> Result<(String, DiscoverKind), Invalid> {
    let address = upstream_address(text)?;
    if address.host.parse::<std::net::IpAddr>().is_ok() {
        return Err(Invalid::new("an address needs no DNS: name it with `server`"));
    }
    Ok((address.host, DiscoverKind::Address { port: address.port }))
}

/// SRV records say the port.
fn service(text: &str) -> Result<(String, DiscoverKind), Invalid> {
    let name = host_or_name(text)?;
    match name.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
        Ok(_) => Err(Invalid::new("an address has no SRV records")),
        Err(_) => Ok((name, DiscoverKind::Service)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{errors, warnings};

    #[test]
    fn what_cannot_be_discovered_is_said_where_it_stands() {
        let pool = |text: &str| format!("pool p {{ health tcp; {text}; }}\nroute \"/p\" pool=p\n");
        errors(&pool("discover \"app.test:80\""), &[]);
        errors(&pool("discover \"10.0.0.1:80\""), &["LB102 4"]);
        errors(&pool("discover \"app.test:80\" kind=srv"), &["LB102 4"]);
        errors(&pool("discover \"app.test:80\"; discover \"app.test:80\""), &["LB106 4"]);
        errors(&pool("discover \"app.test:80\"; discover \"app.test:81\""), &[]);
        errors("resolver { nameserver \"10.0.0.2\" \"dns.test\"; }", &["LB102 4"]);
    }

    #[test]
    fn servers_from_dns_want_a_check() {
        let pool = |check| format!("pool p {{ discover \"app.test:80\"; {check}}}\nroute \"/p\" pool=p\n");
        warnings(&pool(""), &["LB301 4"]);
        warnings(&pool("health tcp; "), &[]);
    }

    #[test]
    fn a_source_is_a_name_with_a_port_or_a_service_without() {
        let port = |port| DiscoverKind::Address { port };
        let good = |said: Result<(String, DiscoverKind), Invalid>| said.map_err(|error| error.why).unwrap();
        assert_eq!(good(address("App.internal.:8080")), ("app.internal".into(), port(8080)));
        assert_eq!(
            good(service("_http._tcp.app.test")),
            ("_http._tcp.app.test".into(), DiscoverKind::Service)
        );
        for bad in ["app.internal", "10.0.0.1:80", "[::1]:80", "app.internal:0"] {
            assert!(address(bad).is_err(), "{bad}");
        }
        for bad in ["_http._tcp.app.test:80", "10.0.0.1", "[::1]"] {
            assert!(service(bad).is_err(), "{bad}");
        }
    }
}
