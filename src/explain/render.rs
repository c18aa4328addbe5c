//! An answer for a person: a word, then what there is to say about it, from the request to the server.

use super::answer::{Answer, Candidate, Outcome, PoolTold, RouteTold};

/// Width of the words on the left.
const WIDTH: usize = 10;

impl Answer {
    /// The whole answer.
    pub fn human(&self) -> String {
        let mut out = format!("{} {}\n", self.method, self.url);
        let https = if self.https { "over https" } else { "over http" };
        line(&mut out, "from", &format!("{}, {https}", self.client_ip));
        let why = self.listener.why.as_ref().map(|why| format!(", {why}")).unwrap_or_default();
        line(&mut out, "listener", &format!("{} ({}){why}", self.listener.name, self.listener.place));
        self.host(&mut out);
        if let Some(path) = &self.path {
            line(&mut out, "path", &path.words());
        }
        table(&self.candidates, &mut out);
        if let Some(route) = &self.route {
            route.tell(&mut out);
        }
        for param in &self.params {
            line(&mut out, "param", &format!("{} = {}", param.name, param.value));
        }
        self.end(&mut out);
        out
    }

    fn host(&self, out: &mut String) {
        let asked = if self.host.is_empty() { "no host" } else { &self.host };
        let site = match &self.site {
            None if matches!(self.outcome, Outcome::Refuse { status: 404, .. }) => {
                format!("{asked}: no site answers to it")
            }
            None => asked.to_owned(),
            Some(site) if site.hosts.is_empty() => {
                format!("{asked}: the default site ({}), as no site names it", site.place)
            }
            Some(site) => format!("{asked}: site {} ({})", site.hosts.join(" "), site.place),
        };
        line(out, "host", &site);
    }

    fn end(&self, out: &mut String) {
        match &self.outcome {
            Outcome::Forward { target, host, fields } => {
                self.pool.iter().for_each(|pool| pool.tell(out));
                line(out, "sends", &format!("{} {target}", self.method));
                line(out, "", &format!("Host: {host}"));
                fields.iter().for_each(|field| line(out, "", &format!("{}: {}", field.name, field.shown())));
            }
            Outcome::Redirect { status, location } => {
                line(out, "answer", &format!("{status}, to {location}"))
            }
            Outcome::Respond { status } => line(out, "answer", &format!("{status}, by lbd itself")),
            Outcome::Refuse { status, why } => line(out, "answer", &format!("{status}: {why}")),
            Outcome::Pass => {
                line(out, "passed on", "unread: `tcp` of the listener takes the connection by its name");
                self.pool.iter().for_each(|pool| pool.tell(out));
            }
        }
        for (at, field) in self.answers.iter().enumerate() {
            let word = if at == 0 { "adds" } else { "" };
            line(out, word, &format!("{}: {}  (to the answer)", field.name, field.shown()));
        }
    }
}

impl super::answer::PathTold {
    fn words(&self) -> String {
        let mut words = self.received.clone();
        if self.compared != self.received {
            words.push_str(&format!(", compared as {}", self.compared));
        }
        if !self.how.is_empty() {
            words.push_str(&format!(", {}", self.how.join(" and ")));
        }
        words
    }
}

impl RouteTold {
    fn tell(&self, out: &mut String) {
        line(out, "route", &format!("{} ({}): {}", self.name, self.place, self.action));
        if self.split.iter().filter(|way| way.possible).count() > 1 {
            line(out, "", "which way is drawn for each such client; told for the largest share");
        }
        for (at, rule) in self.rules.iter().enumerate() {
            line(out, if at == 0 { "rules" } else { "" }, rule);
        }
    }
}

impl PoolTold {
    fn tell(&self, out: &mut String) {
        line(out, "pool", &format!("{} ({}): {}", self.name, self.place, self.servers.join(", ")));
        for (at, sticky) in self.sticky.iter().enumerate() {
            line(out, if at == 0 { "sticky" } else { "" }, sticky);
        }
        line(out, "balance", &self.balance);
        let server = self.server.as_ref().map(|server| format!("{server}: ")).unwrap_or_default();
        line(out, "server", &format!("{server}{}", self.decision));
    }
}

fn line(out: &mut String, word: &str, text: &str) {
    out.push_str(&format!("{word:<WIDTH$}{text}\n"));
}

/// Candidates in columns, the one that wins marked.
fn table(candidates: &[Candidate], out: &mut String) {
    let pattern = |one: &Candidate| match one.conditions.is_empty() {
        true => one.pattern.clone(),
        false => format!("{} when {}", one.pattern, one.conditions.join(" or ")),
    };
    let rows: Vec<[String; 4]> = candidates
        .iter()
        .map(|one| [one.place.clone(), pattern(one), one.action.clone(), one.why.clone()])
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    for (row, candidate) in rows.iter().zip(candidates) {
        let mark = if candidate.wins { "→" } else { "·" };
        let mut text = format!("  {mark} ");
        for (cell, width) in row.iter().zip(widths) {
            let blanks = width - cell.chars().count() + 2;
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', blanks));
        }
        text.push_str(&row[3]);
        text.push('\n');
        out.push_str(&text);
    }
}
