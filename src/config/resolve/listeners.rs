//! Listeners: one name each, and no two on one address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::{ListenAddress, Listener, Name};
use super::super::reader::Cx;
use super::Written;

/// The listeners, sorted by name.
pub(super) fn resolve(cx: &Cx<'_>, written: &Written<'_>) -> Vec<Listener> {
    let mut names: BTreeMap<&Name, Span> = BTreeMap::new();
    let mut addresses: Vec<(ListenAddress, Span)> = Vec::new();
    for listen in &written.listens {
        let (reader, listener) = (listen.reader, &listen.listener);
        let conflict = conflict(cx, &addresses, listener.address, reader.span())
            || twin(cx, &addresses, listener.address, reader.span());
        addresses.push((listener.address, reader.span()));
        if let Some(first) = names.insert(&listener.name, reader.span())
            && !conflict
        {
            let message = format!("two listeners are named `{}`", listener.name);
            let error = Diagnostic::error("LB105", reader.span(), message).label("again here");
            cx.push(error.also(first, "first here").help("give one of them another `name=`"));
        }
    }
    if let (Some(status), Some(span)) = (&written.status, written.status_span) {
        conflict(cx, &addresses, status.address, span);
    }
    let mut listeners: Vec<_> = written.listens.iter().map(|l| l.listener.clone()).collect();
    listeners.sort_by(|a, b| a.name.cmp(&b.name));
    listeners
}

/// LB701: an address that an earlier one covers.
fn conflict(cx: &Cx<'_>, earlier: &[(ListenAddress, Span)], address: ListenAddress, span: Span) -> bool {
    let Some((other, first)) = earlier.iter().find(|(other, _)| overlap(*other, address)) else {
        return false;
    };
    let message = match *other == address {
        true => format!("{address} is listened on twice"),
        false => format!("{other} and {address} are the same port"),
    };
    let error = Diagnostic::error("LB701", span, message).label("port conflict").also(*first, "first here");
    cx.push(error.help("merge them, or give them addresses that do not overlap"));
    true
}

/// LB701: two that ask for any port of one address. They could be bound, but a reload tells listeners apart by
/// their addresses.
fn twin(cx: &Cx<'_>, earlier: &[(ListenAddress, Span)], address: ListenAddress, span: Span) -> bool {
    let Some((_, first)) = earlier.iter().find(|(other, _)| address.port == 0 && *other == address) else {
        return false;
    };
    let message = format!("two listeners ask for any port of {address}");
    let error = Diagnostic::error("LB701", span, message).label("again here").also(*first, "first here");
    cx.push(error.help("give one of them a port, or another address"));
    true
}

/// Whether both could not be bound at once. A listener without an address, and `[::]`, take IPv4 and IPv6.
fn overlap(a: ListenAddress, b: ListenAddress) -> bool {
    let every = |ip: Option<IpAddr>| ip.is_none_or(|ip| ip.is_unspecified() && ip.is_ipv6());
    let covers = |a: Option<IpAddr>, b: Option<IpAddr>| {
        every(a) || a == b || a.zip(b).is_some_and(|(a, b)| a.is_unspecified() && a.is_ipv4() == b.is_ipv4())
    };
    a.port == b.port && a.port != 0 && (covers(a.ip, b.ip) || covers(b.ip, a.ip))
}

#[cfg(test)]
mod tests {
    use super::super::super::values::listen_address;
    use super::*;

    fn check(a: &str, b: &str, expected: bool) {
        let (a, b) = (listen_address(a).unwrap(), listen_address(b).unwrap());
        assert_eq!(overlap(a, b), expected, "{a:?} {b:?}");
        assert_eq!(overlap(b, a), expected, "{b:?} {a:?}");
    }

    #[test]
    fn addresses_overlap_when_one_takes_what_the_other_wants() {
        check(":443", ":443", true);
        check(":443", ":80", false);
        check(":443", "0.0.0.0:443", true);
        check(":443", "127.0.0.1:443", true);
        check("[::]:443", "10.0.0.1:443", true);
        check("0.0.0.0:443", "[::1]:443", false);
        check("0.0.0.0:443", "10.0.0.1:443", true);
        check("10.0.0.1:443", "10.0.0.2:443", false);
        check(":0", ":0", false);
    }
}
