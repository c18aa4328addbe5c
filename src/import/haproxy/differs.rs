//! The words for a request that lbd's routes treat otherwise than HAProxy's rules did.

use std::collections::{BTreeMap, BTreeSet};

use super::super::verdict::Verdicts;
use super::expr::{Atom, How, TextTest};
use super::rule::{Final, Outcome};

/// How the result differs for some requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) how: String,
    /// HAProxy kept them out, and lbd does not.
    pub(super) opens: bool,
}

/// `path_beg -i /admin` and `path_end .js`: HAProxy chose c, lbd chooses d`
pub(super) fn told(
    atoms: &[Atom],
    holds: &BTreeSet<usize>,
    set: &[usize],
    wanted: &Outcome,
    found: Option<&Outcome>,
) -> Difference {
    let paths: Vec<String> = holds
        .iter()
        .filter_map(|atom| match &atoms[*atom] {
            Atom::Path(test) => Some(path(test)),
            _ => None,
        })
        .collect();
    let more = match set.len() {
        0 => String::new(),
        1 => ", and one more condition".to_owned(),
        n => format!(", and {n} more conditions"),
    };
    let given = if paths.is_empty() { "any path".to_owned() } else { paths.join(" and ") };
    let chosen = found.map_or("nothing".to_owned(), result);
    let how = match found.is_some_and(|found| found.last == wanted.last) {
        true => format!("{given}{more}: {} in both, but fields or `rewrite` differ", result(wanted)),
        false => format!("{given}{more}: HAProxy chose {}, lbd chooses {chosen}", result(wanted)),
    };
    let denied = |outcome: &Outcome| matches!(&outcome.last, Final::Respond { status: 400..=500, .. });
    Difference { how, opens: denied(wanted) && found.is_none_or(|found| !denied(found)) }
}

/// The verdicts on the lines that decided otherwise.
pub(super) fn note(unsure: &BTreeMap<usize, Vec<Difference>>, verdicts: &mut Verdicts) {
    for (line, differs) in unsure {
        let mut worst: Vec<_> = differs.iter().collect();
        worst.sort_by_key(|difference| !difference.opens);
        let shown: Vec<&str> = worst.iter().take(3).map(|difference| difference.how.as_str()).collect();
        let more = match worst.len() {
            0..=3 => String::new(),
            n => format!("; and {} more overlaps", n - 3),
        };
        let shown = shown.join("; ");
        let note = format!("its place in the order cannot be kept for every request: {shown}{more}");
        match worst.first().is_some_and(|difference| difference.opens) {
            true => verdicts.open(*line, note),
            false => verdicts.approximated(*line, note),
        }
    }
}

fn result(outcome: &Outcome) -> String {
    match &outcome.last {
        Final::Pool(pool) => pool.clone(),
        Final::Redirect { status, .. } | Final::ToHttps { status } | Final::Respond { status, .. } => {
            status.to_string()
        }
    }
}

/// As HAProxy writes it.
fn path(test: &TextTest) -> String {
    let how = match test.how {
        How::Exact => "path",
        How::Begins => "path_beg",
        How::Ends => "path_end",
        How::Contains => "path_sub",
        How::Dir => "path_dir",
        How::Domain => "path_dom",
        How::Regex => "path_reg",
    };
    let case = if test.ignore_case { " -i" } else { "" };
    format!("`{how}{case} {}`", test.text)
}
