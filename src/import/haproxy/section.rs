//! Sections: what begins them, which `defaults` hold for them, and the proxies among them.

use super::super::verdict::Verdicts;
use super::words::Line;

/// What a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Global,
    Defaults,
    Frontend,
    Backend,
    Listen,
    Resolvers,
    /// Refused as a whole.
    Other,
}

/// A section with its lines.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) kind: Kind,
    /// Empty where it has none.
    pub(super) name: String,
    /// The line that begins it.
    pub(super) head: &'a Line,
    /// The lines of the `defaults` that hold for it.
    pub(super) inherited: Vec<&'a Line>,
    pub(super) lines: Vec<&'a Line>,
}

impl<'a> Section<'a> {
    /// Every line that holds for it, the weaker first.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a Line> {
        self.inherited.iter().chain(&self.lines).copied()
    }

    /// The last line that begins with these words.
    pub(super) fn last(&self, words: &[&str]) -> Option<&'a Line> {
        let begins = |line: &&Line| words.iter().enumerate().all(|(at, word)| line.word(at) == *word);
        self.all().filter(begins).last()
    }

    /// Whether an option is on: the last line about it counts, `no` before it takes it back.
    pub(super) fn option(&self, name: &str) -> Option<&'a Line> {
        let about = |line: &&Line| {
            let at = usize::from(line.word(0) == "no");
            line.word(at) == "option" && line.word(at + 1) == name
        };
        self.all().filter(about).last().filter(|line| line.word(0) != "no")
    }

    /// `mode http`, unless said otherwise.
    pub(super) fn is_tcp(&self) -> bool {
        // The default of HAProxy is tcp.
        self.last(&["mode"]).is_none_or(|line| line.word(1) == "tcp")
    }
}

/// Cuts the file into sections. What stands in none, and conditional lines, get their verdict here.
pub(super) fn cut<'a>(lines: &'a [Line], verdicts: &mut Verdicts) -> Vec<Section<'a>> {
    let mut sections: Vec<Section<'a>> = Vec::new();
    for line in lines {
        if let Some(broken) = line.broken {
            verdicts.refused(line.number, format!("{broken}: HAProxy would not read this file either"));
            continue;
        }
        if line.word(0).starts_with('.') {
            directive(line, verdicts);
            continue;
        }
        let Some(kind) = kind(line.word(0)) else {
            match sections.last_mut() {
                Some(section) => section.lines.push(line),
                None => verdicts
                    .refused(line.number, "it stands in no section; put it behind `global` or `defaults`"),
            }
            continue;
        };
        let name = if kind == Kind::Global { String::new() } else { line.word(1).to_owned() };
        let inherited = inherited(kind, line, &sections, verdicts);
        sections.push(Section { kind, name, head: line, inherited, lines: Vec::new() });
    }
    sections
}

fn kind(word: &str) -> Option<Kind> {
    Some(match word {
        "global" => Kind::Global,
        "defaults" => Kind::Defaults,
        "frontend" => Kind::Frontend,
        "backend" => Kind::Backend,
        "listen" => Kind::Listen,
        "resolvers" => Kind::Resolvers,
        "userlist" | "peers" | "mailers" | "program" | "cache" | "ring" | "http-errors" | "fcgi-app"
        | "log-forward" | "log-profile" | "traces" | "crt-store" | "acme" | "healthcheck" => Kind::Other,
        _ => return None,
    })
}

fn directive(line: &Line, verdicts: &mut Verdicts) {
    match line.word(0) {
        ".endif" | ".else" => verdicts.mapped(line.number, "see `.if`"),
        ".notice" | ".diag" | ".warning" | ".alert" => {
            verdicts.approximated(line.number, "nothing is printed at start");
        }
        _ => verdicts.refused(
            line.number,
            "conditions of the configuration are not evaluated: the lines inside are taken as if it held; \
             remove the branch that does not hold and import again",
        ),
    }
}

/// The lines of the `defaults` that a new section takes up: those that it names, else the last ones.
fn inherited<'a>(
    kind: Kind,
    line: &Line,
    sections: &[Section<'a>],
    verdicts: &mut Verdicts,
) -> Vec<&'a Line> {
    if !matches!(kind, Kind::Frontend | Kind::Backend | Kind::Listen | Kind::Defaults) {
        return Vec::new();
    }
    let from = line.words.iter().position(|word| word == "from").map(|at| line.word(at + 1));
    let defaults = || sections.iter().filter(|section| section.kind == Kind::Defaults);
    let found = match from {
        Some(name) => {
            let found = defaults().find(|section| section.name == name);
            if found.is_none() {
                verdicts.refused(line.number, format!("no `defaults {name}` stands before it"));
            }
            found
        }
        // A `defaults` begins anew, unless it says `from`.
        None if kind == Kind::Defaults => None,
        None => defaults().next_back(),
    };
    found.map(|section| section.all().collect()).unwrap_or_default()
}
