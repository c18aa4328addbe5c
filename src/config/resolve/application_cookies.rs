//! LB401 for cookies of applications: one that lbd takes away from requests, or marks in two ways, does not work for
//! the application. Clients carry a cookie from one pool to another, so all pools count.

use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::{ClientKey, LearnFrom, Name, Side, Sticky};
use super::super::reader::Cx;
use super::Written;

/// How a pool uses a cookie.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is lbd's own, and no server sees it.
    Own,
    /// The application's, with a mark.
    Marked(Side),
    /// The application's, as it is.
    Learned,
}

impl Use {
    fn of(sticky: &Sticky) -> Option<(Self, &Name)> {
        match sticky {
            Sticky::Cookie(cookie) => Some((Self::Own, &cookie.name)),
            Sticky::Marked(mark) => Some((Self::Marked(mark.side), &mark.name)),
            Sticky::Table(table) => match &table.by {
                ClientKey::Learned { from: LearnFrom::Cookie, name, .. } => Some((Self::Learned, name)),
                _ => None,
            },
        }
    }
}

pub(super) fn check(cx: &Cx<'_>, written: &Written<'_>) {
    let mut earlier: Vec<(Use, &Name, &Name, Span)> = Vec::new();
    for pool in &written.pools {
        let nodes = pool.reader.block().strongest("sticky");
        for (sticky, node) in pool.pool.sticky.iter().zip(nodes) {
            let Some((how, name)) = Use::of(sticky).filter(|(_, name)| !name.is_empty()) else { continue };
            let at = node.written("name").unwrap_or(node.span());
            let other = earlier.iter().find(|(known, of, ..)| *of == name && *known != how);
            if let Some((known, _, first_pool, first)) = other {
                let message = match [*known, how].contains(&Use::Own) {
                    true => format!("the cookie `{name}` is the application's, and no server would see it"),
                    false => format!("the cookie `{name}` is used in two ways"),
                };
                let error = Diagnostic::error("LB401", at, message).label("here otherwise");
                let first_pool = format!("first here, in pool `{first_pool}`");
                cx.push(
                    error.also(*first, first_pool).help("use it in one way in all pools, or name them apart"),
                );
            }
            earlier.push((how, name, &pool.pool.name, at));
        }
    }
}
