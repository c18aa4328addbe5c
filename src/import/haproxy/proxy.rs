//! The rules of a proxy: access lists, `http-request`, redirects, and which backend a request is for.

use std::collections::BTreeMap;

use super::super::verdict::Verdicts;
use super::acl::{Acls, Condition};
use super::expr::{Atom, Atoms, Expr, Place, RateOf};
use super::fetch::Files;
use super::http::{self, Done, condition_at};
use super::rule::{Act, Edit, Final, Rule};
use super::section::Section;
use super::units;
use super::words::Line;

/// The most rules of one frontend, those of its backends included.
const MAX_RULES: usize = 2000;

/// What reading needs and fills.
pub(super) struct Context<'a> {
    pub(super) atoms: Atoms,
    pub(super) verdicts: Verdicts,
    pub(super) files: &'a Files<'a>,
    /// Milliseconds that `http_req_rate` of the file's tables counts over.
    pub(super) period: Option<u64>,
}

/// What a proxy says about requests.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) rules: Vec<Rule>,
    /// `use_backend` and `default_backend`, in order.
    pub(super) uses: Vec<Use>,
    /// Connections that one address may have open.
    pub(super) per_address: Option<u64>,
}

/// Where requests go, under a condition.
#[derive(Debug)]
pub(super) struct Use {
    pub(super) line: usize,
    pub(super) condition: Condition,
    pub(super) backend: String,
}

struct Reading<'c, 'a> {
    cx: &'c mut Context<'a>,
    acls: Acls<'a>,
    out: Rules,
    /// Conditions of `allow`, which end the rules that follow.
    allowed: Vec<Expr>,
    /// What was changed so far, and later conditions may ask for.
    changed: Vec<String>,
}

/// Reads the rules of a proxy.
pub(super) fn read<'a>(section: &Section<'a>, cx: &mut Context<'a>) -> Rules {
    let mut reading = Reading {
        cx,
        acls: Acls::default(),
        out: Rules::default(),
        allowed: Vec::new(),
        changed: Vec::new(),
    };
    for line in section.all().filter(|line| line.word(0) == "acl") {
        reading.acls.add(line);
        reading.acl(line);
    }
    // What comes first at a request, comes first here.
    for words in [&["monitor-uri", "monitor", "tcp-request", "block"][..], &["http-request"], &["redirect"]] {
        for line in section.all().filter(|line| words.contains(&line.word(0))) {
            reading.rule(line);
        }
    }
    for line in section.all() {
        reading.other(line, section);
    }
    let default = section.last(&["default_backend"]);
    for line in section.all().filter(|line| line.word(0) == "use_backend").chain(default) {
        reading.leads(line);
    }
    // They hold for every answer, also for those of rules that end the list.
    reading.out.rules.sort_by_key(|rule| !matches!(rule.act, Act::Edit(Edit::Response { always: true, .. })));
    reading.out
}

impl<'a> Reading<'_, 'a> {
    fn acl(&mut self, line: &'a Line) {
        match Acls::criterion(line, &mut self.cx.atoms, self.cx.files) {
            Ok(differs) if differs.is_empty() => self.cx.verdicts.mapped(line.number, "where it is used"),
            Ok(differs) => {
                differs.into_iter().for_each(|how| self.cx.verdicts.approximated(line.number, how));
            }
            Err(why) => self.cx.verdicts.refused(line.number, why),
        }
    }

    /// The condition of a line from a word on; the verdict is given when it cannot be had.
    fn condition(&mut self, line: &Line, at: usize) -> Option<Condition> {
        match self.acls.condition(line.from(at), &mut self.cx.atoms, self.cx.files) {
            Ok(condition) => {
                for how in &condition.differs {
                    self.cx.verdicts.approximated(line.number, how);
                }
                self.ask_changed(line, &condition.expr);
                Some(condition)
            }
            Err(why) => {
                self.refused(line, why);
                None
            }
        }
    }

    /// A line is left out; what lets requests through by that is said aloud.
    fn refused(&mut self, line: &Line, why: impl AsRef<str>) {
        match keeps_out(line) {
            true => self.cx.verdicts.open(line.number, why),
            false => self.cx.verdicts.refused(line.number, why.as_ref()),
        }
    }

    /// lbd asks for what the client sent, whatever was changed before.
    fn ask_changed(&mut self, line: &Line, expr: &Expr) {
        let mut asks = false;
        expr.each(&mut |atom| {
            asks |= self.changed.iter().any(|changed| match &self.cx.atoms.all[atom] {
                Atom::Path(_) => changed == ":path",
                Atom::Host(_) => changed == "host",
                Atom::Field(Place::Header, name, _) => changed == name,
                _ => false,
            });
        });
        if asks {
            self.cx.verdicts.approximated(
                line.number,
                "it asks for what the client sent, not for what a line before it made of that",
            );
        }
    }

    fn rule(&mut self, line: &'a Line) {
        let (done, condition) = match line.word(0) {
            "http-request" => {
                let at = condition_at(&line.words, 1 + http::arity(line.word(1)));
                let Some(condition) = self.condition(line, at) else { return };
                if line.word(1) == "allow" {
                    self.allowed.push(condition.expr);
                    self.cx.verdicts.mapped(line.number, "the lines behind it do not hold for these");
                    return;
                }
                (http::request(&line.words[1..at], &condition.expr, &self.cx.atoms.all), condition)
            }
            "redirect" => {
                let at = condition_at(&line.words, 3);
                let Some(condition) = self.condition(line, at) else { return };
                (http::redirect(&line.words[1..at]), condition)
            }
            "block" => {
                let Some(condition) = self.condition(line, 1) else { return };
                (http::request(&["deny".to_owned()], &condition.expr, &self.cx.atoms.all), condition)
            }
            "monitor-uri" => return self.monitor(line),
            "monitor" => {
                let why = "`status ready=` answers 503 while lbd leaves; for a service, check a route";
                return self.cx.verdicts.refused(line.number, why);
            }
            _ => match self.tcp_request(line) {
                Some(read) => read,
                None => return,
            },
        };
        match done {
            Ok(done) => {
                self.add(line, condition, done);
            }
            // Nobody gets in, rather than everybody.
            Err(why) if keeps_out(line) => {
                if let Ok(done) = http::request(&["deny".to_owned()], &condition.expr, &self.cx.atoms.all)
                    && self.add(line, condition, done)
                {
                    let instead =
                        format!("{why}. `respond 403` stands here instead: NOBODY that it asked gets in");
                    self.cx.verdicts.refused(line.number, instead);
                }
            }
            Err(why) => self.cx.verdicts.refused(line.number, why),
        }
    }

    fn monitor(&mut self, line: &Line) {
        let words = ["path".to_owned(), line.word(1).to_owned()];
        match super::fetch::criterion(&words, &mut self.cx.atoms, self.cx.files) {
            Ok((when, _)) => {
                let act = Act::Final(Final::Respond { status: 200, body: None, content_type: None });
                self.out.rules.push(Rule { line: line.number, uses: Vec::new(), when, act });
                self.cx.verdicts.mapped(line.number, "respond 200");
            }
            Err(why) => self.cx.verdicts.refused(line.number, why),
        }
    }

    fn tcp_request(&mut self, line: &'a Line) -> Option<(Result<Done, String>, Condition)> {
        let n = line.number;
        match (line.word(1), line.word(2).split('(').next().unwrap_or_default()) {
            ("inspect-delay", _) => {
                self.cx.verdicts.mapped(n, "lbd waits for the TLS hello within its own clock")
            }
            (_, "accept") => self.cx.verdicts.mapped(n, "lbd takes what it can read"),
            ("connection" | "session" | "content", "reject") => {
                let at = condition_at(&line.words, 3);
                let condition = self.condition(line, at)?;
                self.cx.verdicts.approximated(n, "403 instead of a closed connection");
                return Some((
                    http::request(&["deny".to_owned()], &condition.expr, &self.cx.atoms.all),
                    condition,
                ));
            }
            (_, "track-sc0" | "track-sc1" | "track-sc2" | "track-sc") if line.word(3) == "src" => {
                self.cx.verdicts.mapped(n, "see the condition on its rate");
            }
            (_, "expect-proxy") => {
                self.cx.verdicts.refused(n, "name the senders in `listen { proxy-protocol … }`")
            }
            _ => self.cx.verdicts.refused(n, "lbd's `tcp` goes by the name in the TLS hello only"),
        }
        None
    }

    /// Adds what a line does, if lbd can do it under that condition.
    fn add(&mut self, line: &Line, condition: Condition, done: Done) -> bool {
        let mut rates = Vec::new();
        let mut passed = false;
        condition.expr.each(&mut |atom| match &self.cx.atoms.all[atom] {
            Atom::Rate(of, limit) => rates.push((*of, *limit)),
            Atom::Sni(_) => passed = true,
            _ => {}
        });
        if passed {
            let why = "the name in the TLS hello chooses in `listen { tcp sni=… }`; HTTP goes by Host";
            self.refused(line, why);
            return false;
        }
        if !rates.is_empty() {
            self.limit(line, &condition, &rates, &done);
            return false;
        }
        for how in &done.differs {
            self.cx.verdicts.approximated(line.number, how);
        }
        self.cx.verdicts.mapped(line.number, done.note);
        let allowed = self.allowed.iter().filter(|_| line.word(0) == "http-request");
        let when = allowed.fold(condition.expr, |when, allowed| when.and(allowed.clone().not()));
        for act in done.acts {
            match &act {
                Act::Edit(Edit::Rewrite("host", _)) => self.changed.push("host".into()),
                Act::Edit(Edit::Rewrite(..)) => self.changed.push(":path".into()),
                Act::Edit(Edit::Request(header)) => self.changed.push(header.name().to_ascii_lowercase()),
                _ => {}
            }
            self.out.rules.push(Rule {
                line: line.number,
                uses: condition.lines.clone(),
                when: when.clone(),
                act,
            });
        }
        true
    }

    /// A denial by a counter: the common use of tables.
    fn limit(&mut self, line: &Line, condition: &Condition, rates: &[(RateOf, u64)], done: &Done) {
        let denies = matches!(done.acts.last(), Some(Act::Final(Final::Respond { status: 400.., .. })));
        let ([(of, limit)], Expr::Atom(_), true) = (rates, &condition.expr, denies) else {
            let why = "a rate alone can be limited: write `rate-limit` into the routes that it is for";
            return self.refused(line, why);
        };
        match of {
            RateOf::Connections => {
                self.out.per_address = Some(*limit);
                self.cx
                    .verdicts
                    .approximated(line.number, "limits max-connections-per-ip=: one more is closed at once");
            }
            RateOf::Requests => {
                let Some(period) = self.cx.period else {
                    return self.refused(line, "no table of this file stores `http_req_rate(TIME)`");
                };
                let rate = match period {
                    1000 => format!("{limit}/s"),
                    60_000 => format!("{limit}/m"),
                    3_600_000 => format!("{limit}/h"),
                    period => format!(
                        "{}/h",
                        (limit.saturating_mul(3_600_000) / period).clamp(1, u64::from(u32::MAX))
                    ),
                };
                let burst = (*limit).min(u64::from(u32::MAX));
                let edit =
                    Edit::Guard(format!("rate-limit \"{rate}\" burst={burst} name=line-{}", line.number));
                let rule = Rule {
                    line: line.number,
                    uses: condition.lines.clone(),
                    when: Expr::Is(true),
                    act: Act::Edit(edit),
                };
                self.out.rules.push(rule);
                self.cx
                    .verdicts
                    .approximated(line.number, "rate-limit: 429, and refused requests are not counted");
            }
        }
    }

    /// Lines that add to routes without being rules.
    fn other(&mut self, line: &'a Line, section: &Section<'a>) {
        let n = line.number;
        let mut node = None;
        match (line.word(0), line.word(1)) {
            ("http-response" | "http-after-response", _) => return self.response(line),
            ("compression", "algo") => {
                let known = line
                    .from(2)
                    .iter()
                    .any(|algo| matches!(algo.as_str(), "gzip" | "deflate" | "raw-deflate"));
                node = known.then(|| "compress gzip".to_owned());
                match line.from(2).iter().any(|algo| algo == "gzip") {
                    true => self.cx.verdicts.mapped(n, "compress gzip"),
                    false => self.cx.verdicts.approximated(n, "gzip is what lbd has in common with it"),
                }
            }
            ("compression", "type") => {
                self.cx.verdicts.approximated(n, "every type that is text is compressed")
            }
            ("compression", _) => self
                .cx
                .verdicts
                .approximated(n, "left out: answers that are compressed already pass as they are"),
            ("retries" | "retry-on", _)
                if section.last(&[line.word(0)]).is_some_and(|last| last.number == n) =>
            {
                node = Some(retry(section));
                self.cx.verdicts.mapped(n, "retry");
            }
            ("option", "forwardfor") => self.forwarded(line),
            ("stick-table", _) if line.text.contains("http_req_rate") || line.text.contains("conn_cur") => {
                self.cx.verdicts.mapped(n, "see the condition on its rate");
            }
            _ => {}
        }
        if let Some(node) = node {
            let act = Act::Edit(Edit::Node(node));
            self.out.rules.push(Rule { line: n, uses: Vec::new(), when: Expr::Is(true), act });
        }
    }

    fn forwarded(&mut self, line: &Line) {
        let mut note = "lbd writes X-Forwarded-For; what strangers sent is dropped, `trust-forwarded` says whom to believe".to_owned();
        if line.words.iter().any(|word| word == "header") {
            note.push_str("; the field is always X-Forwarded-For");
        }
        self.cx.verdicts.approximated(line.number, note);
    }

    fn response(&mut self, line: &'a Line) {
        let at = condition_at(&line.words, 1 + http::arity(line.word(1)));
        let Some(condition) = self.condition(line, at) else { return };
        match http::response(&line.words[1..at], line.word(0) == "http-after-response") {
            Ok(done) => {
                self.add(line, condition, done);
            }
            Err(why) => self.refused(line, why),
        }
    }

    fn leads(&mut self, line: &'a Line) {
        let backend = line.word(1).to_owned();
        if backend.contains('%') {
            let why =
                "a name that is made from the request has no counterpart; write one route for each value";
            return self.cx.verdicts.refused(line.number, why);
        }
        let Some(condition) = self.condition(line, 2) else { return };
        let mut counted = false;
        condition.expr.each(&mut |atom| counted |= matches!(self.cx.atoms.all[atom], Atom::Rate(..)));
        if counted {
            return self
                .cx
                .verdicts
                .refused(line.number, "a counter cannot choose a pool; `rate-limit` answers 429");
        }
        self.cx.verdicts.mapped(line.number, "route");
        self.out.uses.push(Use { line: line.number, condition, backend });
    }
}

/// Whether a line decides who gets in.
fn keeps_out(line: &Line) -> bool {
    let action = match line.word(0) {
        "block" => return true,
        "http-request" | "http-response" => line.word(1),
        "tcp-request" => line.word(2),
        _ => return false,
    };
    matches!(action.split('(').next(), Some("deny" | "auth" | "tarpit" | "reject" | "silent-drop" | "block"))
}

/// `retries` and `retry-on` together.
fn retry(section: &Section<'_>) -> String {
    let attempts: u64 = section.last(&["retries"]).and_then(|line| line.word(1).parse().ok()).unwrap_or(3);
    let mut on = vec!["connect", "reset"];
    if let Some(line) = section.last(&["retry-on"]) {
        on = vec!["connect"];
        for word in line.from(1) {
            match word.as_str() {
                "empty-response" | "junk-response" => on.push("reset"),
                "response-timeout" => on.push("timeout"),
                "502" => on.push("502"),
                "503" => on.push("503"),
                "504" => on.push("504"),
                "all-retryable-errors" => on.extend(["reset", "timeout", "502", "503", "504"]),
                _ => {}
            }
        }
        on.sort_unstable();
        on.dedup();
    }
    format!(
        "retry {} attempts={}",
        on.iter().map(|word| super::super::kdl::word(word)).collect::<Vec<_>>().join(" "),
        attempts.min(16)
    )
}

/// The rules of a frontend with those of the backends that it leads to in their places.
pub(super) fn inlined(
    rules: Rules,
    backends: &BTreeMap<String, (Option<String>, Vec<Rule>)>,
    verdicts: &mut Verdicts,
) -> Vec<Rule> {
    let mut all = rules.rules;
    for lead in rules.uses {
        let Some((pool, inner)) = backends.get(&lead.backend) else {
            verdicts.refused(lead.line, format!("no backend is named `{}`", lead.backend));
            continue;
        };
        if all.len() + inner.len() > MAX_RULES {
            verdicts.refused(lead.line, format!("more than {MAX_RULES} rules; write the routes by hand"));
            continue;
        }
        for rule in inner {
            all.push(Rule { when: lead.condition.expr.clone().and(rule.when.clone()), ..rule.clone() });
        }
        let last = match pool {
            Some(pool) => Final::Pool(pool.clone()),
            None => Final::Respond { status: 503, body: None, content_type: None },
        };
        let act = Act::Final(last);
        all.push(Rule { line: lead.line, uses: lead.condition.lines, when: lead.condition.expr, act });
    }
    all
}

/// What `store http_req_rate(10s)` of a table counts over.
pub(super) fn period(line: &Line) -> Option<u64> {
    let from = line.text.find("http_req_rate(")? + "http_req_rate(".len();
    let inside = line.text.get(from..)?.split(')').next()?;
    units::millis(inside).filter(|millis| *millis > 0)
}
