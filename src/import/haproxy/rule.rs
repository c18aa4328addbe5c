//! What a proxy does with requests, as an ordered list of rules, and what comes of them for one kind of request.

use std::collections::{BTreeMap, BTreeSet};

use super::expr::Expr;

/// A line that does something, perhaps under a condition.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// Where it stands.
    pub(super) line: usize,
    /// The `acl` lines that it uses.
    pub(super) uses: Vec<usize>,
    pub(super) when: Expr,
    pub(super) act: Act,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// The last word about a request.
    Final(Final),
    Edit(Edit),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Final {
    Pool(String),
    Redirect {
        location: String,
        status: u16,
    },
    /// HAProxy's `redirect scheme https`: listeners can do that by themselves.
    ToHttps {
        status: u16,
    },
    Respond {
        status: u16,
        body: Option<String>,
        content_type: Option<String>,
    },
}

/// What changes a request or its answer on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edit {
    /// Of `request-headers`.
    Request(Header),
    /// Of `response-headers`; `always` when also for answers that no server gave.
    Response { header: Header, always: bool },
    /// A property of `rewrite`.
    Rewrite(&'static str, String),
    /// A node of a route that leads to servers.
    Node(String),
    /// A node of any route.
    Guard(String),
}

/// An edit of a header field. `{host}` and its kin stand in the value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Header {
    Set(String, String),
    Add(String, String),
    Remove(String),
}

impl Header {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Add(name, _) | Self::Remove(name) => name,
        }
    }

    /// Edits one after the other, as one list that has no order.
    fn then(edits: &mut Vec<Header>, next: &Header) {
        let same = |edit: &Header| edit.name().eq_ignore_ascii_case(next.name());
        match next {
            Header::Add(..) => edits.push(next.clone()),
            Header::Set(..) | Header::Remove(_) => {
                edits.retain(|edit| !same(edit));
                edits.push(next.clone());
            }
        }
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outcome {
    pub(super) last: Final,
    pub(super) request: Vec<Header>,
    pub(super) response: Vec<Header>,
    pub(super) rewrite: BTreeMap<&'static str, String>,
    pub(super) nodes: BTreeSet<String>,
}

/// An outcome and the place in the list that decided it.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) order: usize,
    pub(super) lines: Vec<usize>,
}

/// Goes down the rules, every one of which is decided by `truth`.
pub(super) fn evaluate(rules: &[Rule], truth: &dyn Fn(usize) -> bool) -> Verdict {
    decided(rules.iter().map(|rule| (rule, &rule.when)), truth)
}

/// The same for rules of whose conditions something is known already.
pub(super) fn decided<'r>(
    rules: impl Iterator<Item = (&'r Rule, &'r Expr)>,
    truth: &dyn Fn(usize) -> bool,
) -> Verdict {
    let mut count = 0;
    let mut edits = Vec::new();
    let mut lines = Vec::new();
    let mut last = None;
    for (order, (rule, when)) in rules.enumerate() {
        count = order + 1;
        if !when.holds(truth) {
            continue;
        }
        match &rule.act {
            Act::Edit(edit) => edits.push((rule, edit)),
            Act::Final(found) => {
                last = Some((order, found.clone()));
                lines.push(rule.line);
                lines.extend(&rule.uses);
                break;
            }
        }
    }
    // HAProxy answers 503 when it has no backend.
    let (order, last) =
        last.unwrap_or((count, Final::Respond { status: 503, body: None, content_type: None }));
    let served = matches!(last, Final::Pool(_));
    let mut outcome = Outcome {
        last,
        request: Vec::new(),
        response: Vec::new(),
        rewrite: BTreeMap::new(),
        nodes: BTreeSet::new(),
    };
    for (rule, edit) in edits {
        match edit {
            Edit::Request(header) if served => Header::then(&mut outcome.request, header),
            Edit::Response { header, always } if served || *always => {
                Header::then(&mut outcome.response, header)
            }
            Edit::Rewrite(key, value) if served => {
                outcome.rewrite.insert(key, value.clone());
            }
            Edit::Node(node) if served => {
                outcome.nodes.insert(node.clone());
            }
            Edit::Guard(node) => {
                outcome.nodes.insert(node.clone());
            }
            _ => continue,
        }
        lines.push(rule.line);
        lines.extend(&rule.uses);
    }
    lines.sort_unstable();
    lines.dedup();
    Verdict { outcome, order, lines }
}
