//! `lbd lint rules` and `lbd lint rule CODE`: what the rules are, without a network.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde_json::json;

use crate::config::output::{url, word};
use crate::config::rules::{self, Fixable, Rule};
use crate::config::suggest;

/// What else can be asked.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Question {
    /// List the rules
    Rules {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Explain a rule: what it finds, why, a bad and a good example, when to allow it
    Rule {
        /// Its code
        #[arg(value_name = "CODE")]
        code: String,
    },
}

impl Question {
    /// 0: answered; 2: there is no such rule.
    pub(super) fn answer(&self) -> ExitCode {
        let text = match self {
            Self::Rules { json: true } => json_list(),
            Self::Rules { json: false } => list(),
            Self::Rule { code } => match rules::find(&code.to_ascii_uppercase()) {
                Some(rule) if io::stdout().is_terminal() => on_a_terminal(rule.page),
                Some(rule) => rule.page.to_owned(),
                None => {
                    eprintln!("error: {}", unknown(code));
                    return ExitCode::from(2);
                }
            },
        };
        match io::stdout().write_all(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(2),
        }
    }
}

/// What is said of a rule that there is not.
fn unknown(code: &str) -> String {
    let help = match suggest::closest(code, rules::all().map(|rule| rule.code)) {
        Some(near) => format!("did you mean {near}?"),
        None => "`lbd lint rules` lists them".to_owned(),
    };
    format!("no rule is named {code}; {help}")
}

/// Reads a rule of the command line: a code, or how the codes of several begin (`LB2`).
pub(super) fn rule_or_prefix(text: &str) -> Result<String, String> {
    let code = text.to_ascii_uppercase();
    let begins = !code.is_empty() && rules::all().any(|rule| rule.code.starts_with(&code));
    match begins || rules::is_known(&code) {
        true => Ok(code),
        false => Err(unknown(text)),
    }
}

fn severities(rule: Rule) -> String {
    rule.severities().map(word).collect::<Vec<_>>().join("/")
}

fn list() -> String {
    let row = |rule: Rule| {
        let fix = if rule.fix == Fixable::No { "" } else { rule.fix.words() };
        format!("{:<7}{:<14}{fix:<12}{}\n", rule.code, severities(rule), rule.title)
    };
    rules::all().map(row).collect()
}

fn json_list() -> String {
    let one = |rule: Rule| {
        json!({
            "code": rule.code,
            "title": rule.title,
            "severities": rule.severities().map(word).collect::<Vec<_>>(),
            "fix": match rule.fix {
                Fixable::No => None,
                Fixable::Safe => Some("safe"),
                Fixable::Unsafe => Some("unsafe"),
            },
            "live": rule.live,
            "url": url(rule.code),
        })
    };
    format!("{:#}\n", serde_json::Value::Array(rules::all().map(one).collect()))
}

/// A page with its headings in bold and its blocks indented, in place of the marks.
fn on_a_terminal(page: &str) -> String {
    let (mut out, mut inside) = (String::new(), false);
    for line in page.lines() {
        match (line.strip_prefix("```"), line.trim_start_matches('#')) {
            (Some(_), _) => inside = !inside,
            (None, _) if inside => out.push_str(&format!("    {line}\n")),
            (None, title) if title != line => {
                out.push_str(&format!("\x1b[1m{}\x1b[0m\n", title.trim_start()))
            }
            (None, _) => out.push_str(&format!("{line}\n")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_on_a_terminal_has_no_marks() {
        let page = rules::find("LB103").unwrap().page;
        let shown = on_a_terminal(page);
        assert!(shown.starts_with("\x1b[1mLB103: a name that nobody has\x1b[0m\n"), "{shown}");
        assert!(shown.contains("\n    listen \":80\"\n") && !shown.contains("```"), "{shown}");
    }

    #[test]
    fn a_rule_is_known_by_its_code_or_by_how_it_begins() {
        assert_eq!(rule_or_prefix("lb103"), Ok("LB103".to_owned()));
        assert_eq!(rule_or_prefix("LB1"), Ok("LB1".to_owned()));
        assert_eq!(rule_or_prefix("LB104x"), Err("no rule is named LB104x; did you mean LB104?".to_owned()));
        assert!(rule_or_prefix("").is_err());
    }
}
