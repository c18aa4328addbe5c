//! `acl` lines and conditions: names, anonymous ones in braces, negation, and, or.
//!
//! <https://docs.haproxy.org/2.6/configuration.html#7>. What a criterion means is in [`super::fetch`].

use std::collections::BTreeMap;

use super::expr::{Atom, Atoms, Expr, network};
use super::fetch::{self, Files};
use super::words::Line;

/// The largest condition; one that is larger is refused.
const MAX_PARTS: usize = 4000;

/// What was read of a condition, and how the reading differs from HAProxy's.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) expr: Expr,
    pub(super) differs: Vec<String>,
    /// The `acl` lines that it used.
    pub(super) lines: Vec<usize>,
}

impl Condition {
    pub(super) fn always() -> Self {
        Condition { expr: Expr::Is(true), differs: Vec::new(), lines: Vec::new() }
    }
}

/// The access lists of a proxy, by name. Those of one name are alternatives.
#[derive(Debug, Default)]
pub(super) struct Acls<'a> {
    named: BTreeMap<String, Vec<&'a Line>>,
}

impl<'a> Acls<'a> {
    pub(super) fn add(&mut self, line: &'a Line) {
        self.named.entry(line.word(1).to_owned()).or_default().push(line);
    }

    /// `if …`, `unless …`, or nothing. The error says why it cannot be had.
    pub(super) fn condition(
        &self,
        words: &[String],
        atoms: &mut Atoms,
        files: &Files<'_>,
    ) -> Result<Condition, String> {
        let (negate, rest) = match words.first().map(String::as_str) {
            None => return Ok(Condition::always()),
            Some("if") => (false, &words[1..]),
            Some("unless") => (true, &words[1..]),
            Some(other) => return Err(format!("`{other}` is not understood here")),
        };
        let mut read = Reading { acls: self, atoms, files, differs: Vec::new(), lines: Vec::new(), parts: 0 };
        let expr = read.alternatives(rest)?;
        let expr = if negate { expr.not() } else { expr };
        let (mut differs, mut lines) = (read.differs, read.lines);
        differs.dedup();
        lines.sort_unstable();
        lines.dedup();
        Ok(Condition { expr, differs, lines })
    }

    /// The criterion of an `acl` line alone, to say early what is wrong with it.
    pub(super) fn criterion(
        line: &Line,
        atoms: &mut Atoms,
        files: &Files<'_>,
    ) -> Result<Vec<String>, String> {
        fetch::criterion(line.from(2), atoms, files).map(|(_, differs)| differs)
    }
}

struct Reading<'r, 'a> {
    acls: &'r Acls<'a>,
    atoms: &'r mut Atoms,
    files: &'r Files<'r>,
    differs: Vec<String>,
    lines: Vec<usize>,
    parts: usize,
}

impl Reading<'_, '_> {
    fn alternatives(&mut self, words: &[String]) -> Result<Expr, String> {
        let mut alternatives = Vec::new();
        let mut all = Vec::new();
        let mut at = 0;
        let mut negate = false;
        while let Some(word) = words.get(at) {
            at += 1;
            match word.as_str() {
                "||" | "or" | "OR" => {
                    alternatives.push(Expr::And(std::mem::take(&mut all)));
                    continue;
                }
                "!" => {
                    negate = !negate;
                    continue;
                }
                _ => {}
            }
            let bare = word.trim_start_matches('!');
            negate ^= (word.len() - bare.len()) % 2 == 1;
            let term = if bare == "{" {
                let end = words[at..].iter().position(|word| word == "}").ok_or("`{` is not closed")?;
                let inside = &words[at..at + end];
                at += end + 1;
                self.criterion(inside)?
            } else {
                self.named(bare)?
            };
            self.parts += term.size();
            if self.parts > MAX_PARTS {
                return Err("the condition is too large; say it in fewer values".into());
            }
            all.push(if std::mem::take(&mut negate) { term.not() } else { term });
        }
        if all.is_empty() {
            return Err("the condition is empty".into());
        }
        alternatives.push(Expr::And(all));
        Ok(Expr::Or(alternatives).known(&|_| None))
    }

    fn criterion(&mut self, words: &[String]) -> Result<Expr, String> {
        let (expr, differs) = fetch::criterion(words, self.atoms, self.files)?;
        self.differs.extend(differs);
        Ok(expr)
    }

    fn named(&mut self, name: &str) -> Result<Expr, String> {
        let Some(lines) = self.acls.named.get(name) else {
            return predefined(name, self.atoms).ok_or_else(|| format!("no acl is named `{name}`"))?;
        };
        let mut alternatives = Vec::new();
        for line in lines.clone() {
            let expr = self.criterion(line.from(2)).map_err(|why| format!("acl `{name}`: {why}"))?;
            self.lines.push(line.number);
            alternatives.push(expr);
        }
        Ok(Expr::Or(alternatives).known(&|_| None))
    }
}

/// <https://docs.haproxy.org/2.6/configuration.html#7.4>
fn predefined(name: &str, atoms: &mut Atoms) -> Option<Result<Expr, String>> {
    let mut atom = |atom| Some(Ok(Expr::Atom(atoms.number(atom))));
    if let Some(method) = name.strip_prefix("METH_") {
        let methods = match method {
            "GET" => vec!["GET".to_owned(), "HEAD".to_owned()],
            "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "TRACE" => vec![method.to_owned()],
            "CONNECT" => return Some(Ok(Expr::Is(false))),
            _ => return None,
        };
        return atom(Atom::Method(methods));
    }
    match name {
        "TRUE" | "HTTP" | "WAIT_END" | "REQ_CONTENT" | "HTTP_URL_SLASH" => Some(Ok(Expr::Is(true))),
        "FALSE" | "HTTP_URL_STAR" | "HTTP_URL_ABS" | "RDP_COOKIE" => Some(Ok(Expr::Is(false))),
        "LOCALHOST" => atom(Atom::Source(network("127.0.0.0/8").into_iter().collect())),
        "HTTP_1.0" | "HTTP_1.1" | "HTTP_2.0" | "HTTP_CONTENT" => {
            Some(Err(format!("lbd has no condition for `{name}`; take it out")))
        }
        _ => None,
    }
}
