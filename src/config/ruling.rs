//! Which findings count: what a configuration allows (`lint { allow … }`, `// lint-allow …`) and denies.
//!
//! An allowance silences warnings and hints, never errors; a denial makes errors of them. An allowance wins over a
//! denial. A comment covers its line; alone on a line, the node below it; at the head of a file with an empty line
//! below it, the file. Allowances need a reason, and what silences nothing is a finding itself (LB806).

use std::ops::Range;

use super::diagnostic::{Diagnostic, Report, Severity, Span};
use super::lexer::{self, Kind, Token};
use super::source::Sources;
use super::{rules, suggest};

/// What was asked for about the findings of a report, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruling {
    /// Which findings are allowed or denied; [`Report::settle`] carries it out.
    pub orders: Vec<Order>,
    /// What was found and is allowed.
    pub silenced: Vec<Silenced>,
}

/// What somebody asked for about a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The rule, or how the codes of several begin.
    pub rule: String,
    /// What is to become of its findings.
    pub verdict: Verdict,
    /// Which of them.
    pub scope: Scope,
    /// Where it is written; none when it came from a command line.
    pub place: Option<OrderPlace>,
}

/// Rules that find more where the world outside the files is looked at: of these nobody knows here either.
const ALSO_LIVE: [&str; 2] = ["LB507", "LB609"];

/// Where an order is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderPlace {
    /// The rule's code.
    pub rule: Span,
    /// The comment or the node that the code stands in.
    pub whole: Span,
    /// Whether it is the only code there.
    pub alone: bool,
}

/// What is to become of findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They are silenced, for a reason.
    Allow(Option<String>),
    /// They are errors.
    Deny,
}

/// Which findings an order is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All.
    Everywhere,
    /// Those that begin here.
    Within(Span),
}

/// A finding that was allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silenced {
    /// The finding.
    pub finding: Diagnostic,
    /// Why it may be.
    pub reason: Option<String>,
    /// Where it was allowed.
    by: Option<OrderPlace>,
}

impl Order {
    /// An order for findings everywhere, given on a command line.
    pub fn everywhere(rule: impl Into<String>, verdict: Verdict) -> Self {
        Self { rule: rule.into(), verdict, scope: Scope::Everywhere, place: None }
    }

    fn is_about(&self, finding: &Diagnostic) -> bool {
        finding.code.starts_with(&self.rule)
            && match (self.scope, finding.span) {
                (Scope::Everywhere, _) => true,
                (Scope::Within(part), Some(span)) => {
                    part.file == span.file && part.range().contains(&(span.start as usize))
                }
                (Scope::Within(_), None) => false,
            }
    }
}

impl Report {
    /// Carries out the orders that the report holds on the findings that it holds.
    pub fn settle(&mut self) {
        let mut kept = Vec::with_capacity(self.findings.len());
        for mut finding in std::mem::take(&mut self.findings) {
            if finding.severity != Severity::Error {
                let mut orders = self.ruling.orders.iter().filter(|order| order.is_about(&finding));
                if let Some(order) = orders.clone().find(|order| matches!(order.verdict, Verdict::Allow(_))) {
                    let reason = match &order.verdict {
                        Verdict::Allow(reason) => reason.clone(),
                        Verdict::Deny => None,
                    };
                    self.ruling.silenced.push(Silenced { finding, reason, by: order.place });
                    continue;
                }
                if orders.any(|order| order.verdict == Verdict::Deny) {
                    finding.severity = Severity::Error;
                }
            }
            kept.push(finding);
        }
        self.findings = kept;
    }

    /// Says what is wrong with allowances (LB806), once every rule had its say. Without a look at `files` (those
    /// that the configuration names), nobody knows whether an allowance for one of their rules is needed.
    pub fn judge_allowances(&mut self, sources: &Sources, files: bool) {
        let mut found = Vec::new();
        let hidden = self.has_errors();
        for order in &self.ruling.orders {
            let (Some(place), Verdict::Allow(reason)) = (order.place, &order.verdict) else { continue };
            let warning = |message: String| Diagnostic::warning("LB806", place.rule, message);
            let rule = rules::find(&order.rule);
            if !rules::is_known(&order.rule) {
                let known = rules::all().map(|rule| rule.code);
                let finding = warning(format!("no rule is named `{}`", order.rule)).label("unknown rule");
                found.push(match suggest::closest(&order.rule, known) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")).fix(place.rule, near),
                    None => finding.help("`lbd lint rules` lists them"),
                });
                continue;
            }
            if reason.is_none() {
                let finding = warning(format!("`{}` is allowed for no reason", order.rule));
                let help =
                    "say why, for who reads this later: `lint-allow CODE: reason`, or `because=\"reason\"`";
                found.push(finding.label("a reason is missing").help(help));
            }
            let of_files = ["LB6", "LB8"].iter().any(|begin| order.rule.starts_with(begin));
            let unknown = hidden
                || rule.is_some_and(|rule| rule.live || ALSO_LIVE.contains(&rule.code))
                || order.rule == "LB806"
                || (of_files && !files);
            if unknown || self.ruling.silenced.iter().any(|silenced| silenced.by == Some(place)) {
                continue;
            }
            let error = |rule: rules::Rule| rule.severities().all(|severity| severity == Severity::Error);
            let message = match rule.is_some_and(error) {
                true => format!("`{}` is an error, and errors cannot be allowed", order.rule),
                false => format!("nothing is found here that allowing `{}` would silence", order.rule),
            };
            let finding = warning(message).label("not needed");
            found.push(finding.help("remove it").fix(removal(place, sources), ""));
        }
        self.findings.append(&mut found);
        self.settle();
        self.sort();
    }
}

/// What to remove so that an allowance is gone: its code, or all of it, with its line when nothing else is there.
fn removal(place: OrderPlace, sources: &Sources) -> Span {
    let Some(file) = sources.file(place.rule.file) else { return place.rule };
    let text = file.text();
    let of = |range: Range<usize>| Span::new(place.rule.file, range);
    let blanks = |at: usize| text[..at].len() - text[..at].trim_end_matches([' ', '\t']).len();
    if !place.alone {
        let range = place.rule.range();
        return of(range.start - blanks(range.start)..range.end);
    }
    let range = place.whole.range();
    let end = match text[range.end..].strip_prefix([';']) {
        Some(_) => range.end + 1,
        None => range.end,
    };
    let start = range.start - blanks(range.start);
    let rest = text[end..].trim_start_matches([' ', '\t']);
    let line_begins = start == 0 || text[..start].ends_with('\n');
    match rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')) {
        Some(next) if line_begins => of(start..text.len() - next.len()),
        _ => of(start..end),
    }
}

/// What a comment begins with that allows something.
const MARK: &str = "lint-allow";

/// Adds the orders that stand in the comments of all files.
pub(super) fn comments(sources: &Sources, report: &mut Report) {
    for (file, source) in sources.files() {
        let text = source.text();
        // The lexer is not asked for what most files have nothing of.
        if !text.contains(MARK) || text.len() > super::guard::MAX_BYTES {
            continue;
        }
        let tokens = lexer::lex(text);
        for (index, token) in tokens.iter().enumerate() {
            if token.kind == Kind::LineComment {
                let scope = || Span::new(file, covered(text, &tokens, index));
                one(Span::new(file, token.range()), &text[token.range()], scope, report);
            }
        }
    }
}

/// The orders of one comment, `// lint-allow LB608 LB309: reason`.
fn one(whole: Span, comment: &str, scope: impl FnOnce() -> Span, report: &mut Report) {
    let words = comment.trim_start_matches('/').trim_start();
    let Some(rest) = words.strip_prefix(MARK).filter(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
    else {
        return;
    };
    let (codes, reason) = match rest.split_once(':') {
        Some((codes, reason)) => (codes, Some(reason.trim()).filter(|reason| !reason.is_empty())),
        None => (rest, None),
    };
    let mut at = whole.range().start + comment.len() - rest.len();
    let mut found = Vec::new();
    for word in codes.split([' ', '\t', ',']) {
        if !word.is_empty() {
            found.push((word, Span::new(whole.file, at..at + word.len())));
        }
        at += word.len() + 1;
    }
    if found.is_empty() {
        let finding = Diagnostic::warning("LB806", whole, "this allows no rule").label("a code is missing");
        report.push(finding.help("write `// lint-allow LB608: reason`"));
        return;
    }
    let (scope, alone) = (Scope::Within(scope()), found.len() == 1);
    report.ruling.orders.extend(found.into_iter().map(|(code, rule)| Order {
        rule: code.to_owned(),
        verdict: Verdict::Allow(reason.map(str::to_owned)),
        scope,
        place: Some(OrderPlace { rule, whole, alone }),
    }));
}

/// The bytes that the comment at `index` is about.
fn covered(text: &str, tokens: &[Token], index: usize) -> Range<usize> {
    let comment = tokens[index];
    let line = text[..comment.start].rfind('\n').map_or(0, |at| at + 1);
    if !matches!(text[line..comment.start].trim_matches(['\u{feff}', ' ', '\t']), "") {
        return line..comment.end;
    }
    let mut lines = 0;
    for (next, token) in tokens.iter().enumerate().skip(index + 1) {
        match token.kind {
            Kind::Newline => lines += 1,
            Kind::LineComment | Kind::HashComment | Kind::BlockComment { .. } => lines = 0,
            kind if kind.is_trivia() => {}
            _ if lines > 1 => break,
            Kind::Close => return comment.range(),
            _ => return comment.start..node_end(tokens, next),
        }
    }
    let head = tokens[..index].iter().all(|token| token.kind.is_trivia());
    if head { 0..text.len() } else { comment.range() }
}

/// Where the node that begins with token `first` ends.
fn node_end(tokens: &[Token], first: usize) -> usize {
    let mut depth = 0_usize;
    let mut end = tokens[first].end;
    for token in &tokens[first..] {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close if depth == 0 => return end,
            Kind::Close => depth -= 1,
            Kind::Newline | Kind::Semicolon if depth == 0 => return end,
            _ => {}
        }
        end = token.end;
    }
    end
}

#[cfg(test)]
mod tests;
