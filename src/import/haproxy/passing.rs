//! Frontends in `mode tcp`: connections that are passed on unread.

use std::collections::BTreeMap;

use super::super::verdict::Verdicts;
use super::bind::Listener;
use super::expr::{Atom, Expr, How};
use super::proxy::Rules;
use super::rule::{Act, Final, Rule};

/// Adds `tcp` nodes to the listeners of a frontend, by the names in the TLS hello.
pub(super) fn pass(
    listeners: &mut [Listener],
    rules: &Rules,
    atoms: &[Atom],
    pools: &BTreeMap<String, (Option<String>, Vec<Rule>)>,
    verdicts: &mut Verdicts,
) {
    for rule in &rules.rules {
        let why = "no request is read in `mode tcp`, so this cannot be done";
        match &rule.act {
            Act::Final(Final::Respond { status: 400.., .. }) => verdicts.open(rule.line, why),
            _ => verdicts.refused(rule.line, why),
        }
    }
    let mut nodes: Vec<String> = Vec::new();
    let mut names: Vec<Option<String>> = Vec::new();
    for lead in &rules.uses {
        let Some((Some(pool), _)) = pools.get(&lead.backend) else {
            verdicts.refused(lead.line, format!("no backend with servers is named `{}`", lead.backend));
            continue;
        };
        let Some(wanted) = snis(&lead.condition.expr, atoms) else {
            verdicts.refused(
                lead.line,
                "connections that are passed on go by the name in the TLS hello only (`req.ssl_sni`)",
            );
            continue;
        };
        for sni in wanted {
            if names.contains(&sni) || names.contains(&None) {
                continue;
            }
            let of =
                sni.as_ref().map_or(String::new(), |sni| format!(" sni={}", super::super::kdl::quoted(sni)));
            nodes.push(format!("tcp pool={}{of}", super::super::kdl::word(pool)));
            names.push(sni);
        }
    }
    for listener in listeners {
        if listener.tls {
            verdicts.refused(
                listener.line,
                "`ssl` in `mode tcp`: lbd ends TLS for HTTP only; let the server end it, or use `mode http`",
            );
            continue;
        }
        nodes.iter().for_each(|node| listener.block.line(node));
    }
}

/// The names that a condition asks for; `None` in the list is every connection.
fn snis(expr: &Expr, atoms: &[Atom]) -> Option<Vec<Option<String>>> {
    let name = |expr: &Expr| match expr {
        Expr::Atom(atom) => match &atoms[*atom] {
            Atom::Sni(test) if test.how == How::Exact => Some(Some(test.text.to_ascii_lowercase())),
            Atom::Sni(test) if test.how == How::Ends && test.text.starts_with('.') => {
                Some(Some(format!("*{}", test.text.to_ascii_lowercase())))
            }
            _ => None,
        },
        _ => None,
    };
    match expr {
        Expr::Is(true) => Some(vec![None]),
        Expr::Or(parts) => parts.iter().map(name).collect(),
        one => Some(vec![name(one)?]),
    }
}
