//! Conditions of a `match`: atoms that hold together, as lbd asks for them.

use ipnet::IpNet;

use super::expr::{Atom, Place, Value};

/// A condition of a `match`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cond {
    Method(Vec<String>),
    Source(Vec<IpNet>),
    WebSocket,
    Field(Place, String, Option<Value>),
}

/// Conditions as one `match` asks them; `None` when they exclude each other, or no `match` can ask them.
pub(super) fn asked(set: &[usize], atoms: &[Atom]) -> Option<Vec<Cond>> {
    let mut methods: Option<Vec<String>> = None;
    let mut networks: Option<Vec<IpNet>> = None;
    let mut conds = Vec::new();
    for atom in set {
        match &atoms[*atom] {
            Atom::Method(list) => {
                let both = |known: Vec<String>| known.into_iter().filter(|m| list.contains(m)).collect();
                methods = Some(methods.map_or_else(|| list.clone(), both));
            }
            Atom::Source(list) => {
                networks = Some(networks.map_or_else(|| list.clone(), |known| intersection(&known, list)));
            }
            Atom::WebSocket => conds.push(Cond::WebSocket),
            Atom::Field(place, name, value) => conds.push(Cond::Field(*place, name.clone(), value.clone())),
            Atom::Host(test) => {
                let case = if test.ignore_case { "(?i)" } else { "" };
                let value = Value::Regex(format!("{case}{}", test.regex()));
                conds.push(Cond::Field(Place::Header, "host".into(), Some(value)));
            }
            Atom::Path(_) | Atom::Tls | Atom::Port(_) | Atom::Sni(_) | Atom::Rate(..) => return None,
        }
    }
    let empty = methods.as_ref().is_some_and(Vec::is_empty) || networks.as_ref().is_some_and(Vec::is_empty);
    let exclude = |a: &Cond, b: &Cond| match (a, b) {
        (Cond::Field(x, n, Some(Value::Exact(v))), Cond::Field(y, m, Some(Value::Exact(w)))) => {
            x == y && n == m && v != w
        }
        _ => false,
    };
    if empty || conds.iter().any(|a| conds.iter().any(|b| exclude(a, b))) {
        return None;
    }
    conds.extend(methods.map(Cond::Method));
    conds.extend(networks.map(Cond::Source));
    conds.sort();
    Some(conds)
}

fn intersection(a: &[IpNet], b: &[IpNet]) -> Vec<IpNet> {
    let both = |x: &IpNet| -> Vec<IpNet> {
        b.iter().filter_map(|y| if y.contains(x) { Some(*x) } else { x.contains(y).then_some(*y) }).collect()
    };
    a.iter().flat_map(both).collect()
}
