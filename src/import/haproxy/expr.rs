//! Conditions as values: what can be asked of a request (atoms), put together with and, or, not.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

/// One thing that is asked of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Atom {
    /// Of its path.
    Path(TextTest),
    /// Of its host, without a port.
    Host(TextTest),
    /// Its method is one of these.
    Method(Vec<String>),
    /// It comes from one of these networks.
    Source(Vec<IpNet>),
    /// A header field, a cookie, a parameter of the query.
    Field(Place, String, Option<Value>),
    /// It asks for a WebSocket.
    WebSocket,
    /// The client came over TLS: known of each listener.
    Tls,
    /// The port that it came to: known of each listener.
    Port(Vec<(u16, u16)>),
    /// The name in the TLS hello, of a connection that is passed on.
    Sni(TextTest),
    /// A counter of a tracked address is above this many requests in so many milliseconds.
    Rate(RateOf, u64),
}

/// What a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum RateOf {
    /// Requests over the period of the table.
    Requests,
    /// Connections that are open.
    Connections,
}

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Place {
    Header,
    Cookie,
    Query,
}

/// How a text is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum How {
    Exact,
    Begins,
    Ends,
    Contains,
    /// Between slashes.
    Dir,
    /// Between dots.
    Domain,
    Regex,
}

/// A text, how it is compared, and whether case counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TextTest {
    pub(super) how: How,
    pub(super) text: String,
    pub(super) ignore_case: bool,
}

/// A value as lbd's `match` compares it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Value {
    Exact(String),
    Prefix(String),
    Regex(String),
}

impl TextTest {
    /// Whether a text passes; of what cannot be compiled, nothing does.
    pub(super) fn passes(&self, text: &str) -> bool {
        let (wanted, text) = match self.ignore_case {
            true if self.how != How::Regex => (self.text.to_ascii_lowercase(), text.to_ascii_lowercase()),
            _ => (self.text.clone(), text.to_owned()),
        };
        match self.how {
            How::Exact => text == wanted,
            How::Begins => text.starts_with(&wanted),
            How::Ends => text.ends_with(&wanted),
            How::Contains => text.contains(&wanted),
            How::Dir => stands(&text, wanted.trim_matches('/'), "/"),
            How::Domain => stands(&text, wanted.trim_matches('.'), "./:?"),
            How::Regex => self.compiled().is_some_and(|regex| regex.is_match(&text)),
        }
    }

    /// Its regular expression, ready to search; nothing for one that is none or too large.
    pub(super) fn compiled(&self) -> Option<regex::Regex> {
        regex::RegexBuilder::new(&self.regex())
            .case_insensitive(self.ignore_case)
            .size_limit(256 << 10)
            .build()
            .ok()
    }

    /// A regular expression that finds it, case aside.
    pub(super) fn regex(&self) -> String {
        let text = regex::escape(&self.text);
        match self.how {
            How::Exact => format!("^{text}$"),
            How::Begins => format!("^{text}"),
            How::Ends => format!("{text}$"),
            How::Contains => text,
            How::Dir => format!("(?:^|/){}(?:/|$)", regex::escape(self.text.trim_matches('/'))),
            How::Domain => format!(r"(?:^|[./:?]){}(?:[./:?]|$)", regex::escape(self.text.trim_matches('.'))),
            How::Regex => self.text.clone(),
        }
    }

    /// As a condition on a value.
    pub(super) fn value(&self) -> Value {
        let letters = self.ignore_case && self.text.bytes().any(|b| b.is_ascii_alphabetic());
        match self.how {
            How::Exact if !letters => Value::Exact(self.text.clone()),
            How::Begins if !letters => Value::Prefix(self.text.clone()),
            _ if letters => Value::Regex(format!("(?i){}", self.regex())),
            _ => Value::Regex(self.regex()),
        }
    }
}

/// Whether `wanted` stands somewhere in a text with one of `bounds`, or an end of the text, on each side.
fn stands(text: &str, wanted: &str, bounds: &str) -> bool {
    let starts =
        std::iter::once(0).chain(text.match_indices(|c: char| bounds.contains(c)).map(|(at, _)| at + 1));
    let mut behind = starts.filter_map(|at| text[at..].strip_prefix(wanted));
    behind.any(|rest| rest.is_empty() || rest.starts_with(|c: char| bounds.contains(c)))
}

/// Atoms by number, each once.
#[derive(Debug, Default)]
pub(super) struct Atoms {
    pub(super) all: Vec<Atom>,
}

impl Atoms {
    pub(super) fn number(&mut self, atom: Atom) -> usize {
        self.all.iter().position(|known| *known == atom).unwrap_or_else(|| {
            self.all.push(atom);
            self.all.len() - 1
        })
    }
}

/// A condition over atoms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    Is(bool),
    Atom(usize),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
}

impl Expr {
    pub(super) fn not(self) -> Expr {
        match self {
            Expr::Is(is) => Expr::Is(!is),
            Expr::Not(inner) => *inner,
            other => Expr::Not(Box::new(other)),
        }
    }

    pub(super) fn and(self, other: Expr) -> Expr {
        match (self, other) {
            (Expr::Is(true), other) | (other, Expr::Is(true)) => other,
            (one, other) => Expr::And(vec![one, other]),
        }
    }

    /// Whether it holds, where every atom is known.
    pub(super) fn holds(&self, truth: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Expr::Is(is) => *is,
            Expr::Atom(atom) => truth(*atom),
            Expr::Not(inner) => !inner.holds(truth),
            Expr::And(parts) => parts.iter().all(|part| part.holds(truth)),
            Expr::Or(parts) => parts.iter().any(|part| part.holds(truth)),
        }
    }

    /// What is left when some atoms are known.
    pub(super) fn known(&self, truth: &dyn Fn(usize) -> Option<bool>) -> Expr {
        match self {
            Expr::Is(is) => Expr::Is(*is),
            Expr::Atom(atom) => truth(*atom).map_or(Expr::Atom(*atom), Expr::Is),
            Expr::Not(inner) => inner.known(truth).not(),
            Expr::And(parts) => Self::joined(parts, truth, true),
            Expr::Or(parts) => Self::joined(parts, truth, false),
        }
    }

    /// `neutral` says nothing in it, its opposite decides it.
    fn joined(parts: &[Expr], truth: &dyn Fn(usize) -> Option<bool>, neutral: bool) -> Expr {
        let mut left = Vec::new();
        for part in parts {
            match part.known(truth) {
                Expr::Is(is) if is == neutral => {}
                Expr::Is(is) => return Expr::Is(is),
                other => left.push(other),
            }
        }
        match left.len() {
            0 => Expr::Is(neutral),
            1 => left.swap_remove(0),
            _ if neutral => Expr::And(left),
            _ => Expr::Or(left),
        }
    }

    /// Visits every atom.
    pub(super) fn each(&self, visit: &mut dyn FnMut(usize)) {
        match self {
            Expr::Is(_) => {}
            Expr::Atom(atom) => visit(*atom),
            Expr::Not(inner) => inner.each(visit),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| part.each(visit)),
        }
    }

    /// Sets of atoms, of those that are kept, which it asks for at once; `most` of them, and one more if there are more.
    pub(super) fn together(&self, keep: &dyn Fn(usize) -> bool, most: usize) -> Vec<BTreeSet<usize>> {
        match self {
            Expr::Atom(atom) if keep(*atom) => vec![BTreeSet::from([*atom])],
            Expr::Is(_) | Expr::Atom(_) => vec![BTreeSet::new()],
            Expr::Not(inner) => inner.together(keep, most),
            Expr::Or(parts) => {
                parts.iter().flat_map(|part| part.together(keep, most)).take(most + 1).collect()
            }
            Expr::And(parts) => parts.iter().fold(vec![BTreeSet::new()], |all, part| {
                let more = part.together(keep, most);
                let both = |one: &BTreeSet<usize>| -> Vec<BTreeSet<usize>> {
                    more.iter().map(|other| one | other).collect()
                };
                all.iter().flat_map(both).take(most + 1).collect()
            }),
        }
    }

    /// How many parts it has.
    pub(super) fn size(&self) -> usize {
        match self {
            Expr::Is(_) | Expr::Atom(_) => 1,
            Expr::Not(inner) => 1 + inner.size(),
            Expr::And(parts) | Expr::Or(parts) => 1 + parts.iter().map(Expr::size).sum::<usize>(),
        }
    }
}

/// A network, or an address as one of its own.
pub(super) fn network(text: &str) -> Option<IpNet> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(IpNet::from(ip));
    }
    let (ip, mask) = text.split_once('/')?;
    let ip: IpAddr = ip.parse().ok()?;
    let bits = match mask.parse::<u8>() {
        Ok(bits) => bits,
        Err(_) => ipnet::ip_mask_to_prefix(mask.parse().ok()?).ok()?,
    };
    IpNet::new(ip, bits).ok().map(|network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_leaves_the_rest() {
        let expr = Expr::Or(vec![Expr::And(vec![Expr::Atom(0), Expr::Atom(1)]), Expr::Atom(2).not()]);
        let with = |known: &[(usize, bool)]| {
            let known = known.to_vec();
            expr.known(&move |atom| known.iter().find(|(a, _)| *a == atom).map(|(_, is)| *is))
        };
        assert_eq!(with(&[(2, false)]), Expr::Is(true));
        assert_eq!(with(&[(2, true), (0, true)]), Expr::Atom(1));
        assert_eq!(with(&[(2, true), (0, false)]), Expr::Is(false));
        assert_eq!(with(&[]), expr);
    }

    #[test]
    fn texts_are_compared_in_every_way() {
        let check = |how, text: &str, ignore_case, passes: &str, fails: &str| {
            let test = TextTest { how, text: text.to_owned(), ignore_case };
            assert!(test.passes(passes), "{test:?} {passes}");
            assert!(!test.passes(fails), "{test:?} {fails}");
        };
        check(How::Exact, "/a", true, "/A", "/a/");
        check(How::Begins, "/a", false, "/ab", "/Ab");
        check(How::Ends, ".php", true, "/x.PHP", "/x.php3");
        check(How::Dir, "img", false, "/a/img/b", "/a/imgs");
        check(How::Dir, "a/a", true, "/xa/A/a", "/xa/a");
        check(How::Dir, "/img/", false, "img", "/img.png");
        check(How::Domain, "example.com", false, "www.example.com", "badexample.com");
        check(How::Domain, ".example.", false, "www.example:80", "example1.com");
        check(How::Regex, "^/v[0-9]+$", false, "/v12", "/v12/");
    }

    #[test]
    fn networks_are_read_in_both_spellings() {
        assert_eq!(network("10.1.2.3"), "10.1.2.3/32".parse().ok());
        assert_eq!(network("10.1.2.3/8"), "10.0.0.0/8".parse().ok());
        assert_eq!(network("10.0.0.0/255.0.0.0"), "10.0.0.0/8".parse().ok());
        assert_eq!(network("2001:db8::/32"), "2001:db8::/32".parse().ok());
        assert_eq!(network("10.0.0.0/33"), None);
    }
}
