//! What [`Pool::acquire`] would choose, told without choosing: nothing is held, counted, written or used up.
//!
//! It walks the same stations with the same code; tables are looked at without being used, and the balance's turn is
//! a copy.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::acquire::{Ask, How, MOST_STICKY, Stuck, Unavailable, Usable};
use super::balance::{BalanceKind, Balancer};
use super::pool::{Member, Pool};
use super::server::{Eligibility, Why};
use super::sticky::{Found, Known, OnDown, Sticky, rendezvous};

/// What would become of a request in a pool, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foretold {
    /// What each `sticky` knows of the client, in their order.
    pub sticky: Vec<String>,
    /// The server, where it is certain.
    pub server: Option<Arc<str>>,
    /// Who it would be and why, or why nobody.
    pub decision: String,
    /// Each server: what keeps it from new clients, or what it carries.
    pub servers: Vec<String>,
}

impl Pool {
    /// See the module.
    pub fn foretell(&self, ask: &Ask<'_>) -> Foretold {
        let panic = self.is_panicking();
        let mut known = [Found::NOTHING; MOST_STICKY];
        let stuck = self.by_stickiness_with(ask, &mut known, panic, |sticky| sticky.peek(ask, self));
        let sticky = self.sticky.iter().map(|sticky| self.says(sticky, ask, panic)).collect();
        let (server, decision) = self.decision(ask, &known, stuck, panic);
        Foretold { sticky, server, decision, servers: self.members.iter().map(state).collect() }
    }

    fn decision(
        &self,
        ask: &Ask<'_>,
        known: &[Found],
        stuck: Stuck,
        panic: bool,
    ) -> (Option<Arc<str>>, String) {
        let name = |index: usize| Arc::clone(&self.members[index].server.name);
        let before = match stuck {
            Stuck::To(index, how) if self.members[index].server.is_full() => {
                let text =
                    format!("would wait for {}: it is full, and the client's own ({})", name(index), by(how));
                return (Some(name(index)), text);
            }
            Stuck::To(index, how) => {
                return (Some(name(index)), format!("would go to {}: {}", name(index), by(how)));
            }
            Stuck::Down => {
                return (
                    None,
                    "would get 503: its own server takes nobody, and no other may (on-down=fail)".into(),
                );
            }
            Stuck::Displaced => "its own server takes it no more; ",
            Stuck::Nowhere => "",
        };
        let key = known.iter().find_map(|found| found.key).map(rendezvous);
        // Its own turn: looking changes nobody's.
        let balance = Balancer::new(self.balance.kind().clone(), Arc::new(AtomicU64::new(self.turn_now())));
        let draws = matches!(self.balance.kind(), BalanceKind::P2c | BalanceKind::Ewma | BalanceKind::Random);
        match self.pick_by(&balance, ask, key, panic) {
            Err(none) => (None, format!("{before}{}", nobody(none))),
            Ok(index) if key.is_some() => {
                (Some(name(index)), format!("{before}would go to {}: the hash of its key", name(index)))
            }
            Ok(index) if !draws || self.ready() == 1 => {
                let by = if self.ready() == 1 { "no other takes new clients" } else { self.balance.as_str() };
                (Some(name(index)), format!("{before}would go to {} now: {by}", name(index)))
            }
            Ok(_) => (None, format!("{before}would go to a server drawn by {}", self.balance.as_str())),
        }
    }

    /// What one `sticky` knows, and what becomes of that.
    fn says(&self, sticky: &Sticky, ask: &Ask<'_>, panic: bool) -> String {
        let Known::Server { id, .. } = sticky.peek(ask, self).known else {
            return format!("{}: {}", label(sticky), nothing(sticky, ask));
        };
        let Some(member) = self.by_id(id) else {
            let then = if sticky.on_down() == OnDown::Fail { "the request fails" } else { "it is healed" };
            return format!("{}: a server that the pool does not have; {then}", label(sticky));
        };
        let name = &member.server.name;
        let home = self.homeward(sticky, sticky.peek(ask, self), ask.tried);
        if let Known::Server { id: to, .. } = home.known
            && to != id
            && let Some(home) = self.by_id(to)
        {
            return format!("{}: {name}, but it goes home to {}", label(sticky), home.server.name);
        }
        let then = match self.usable(id, ask, panic) {
            Usable::Yes(_) => "which takes it".to_owned(),
            Usable::Moving => "which moves its clients away: it is healed".to_owned(),
            Usable::No if sticky.on_down() == OnDown::Fail => {
                format!("which is {}: the request fails", why(member))
            }
            Usable::No => format!("which is {}: it is healed", why(member)),
        };
        let rest = entry(sticky, ask).unwrap_or_default();
        format!("{}: {name}{rest}, {then}", label(sticky))
    }
}

/// `cookie NODE`, `source-ip`.
fn label(sticky: &Sticky) -> String {
    match sticky {
        Sticky::Cookie(policy) => format!("cookie {}", policy.name),
        Sticky::Marked(policy) => format!("mark in the application's cookie {}", policy.name),
        Sticky::Table(policy) => match policy.by.name() {
            Some(name) => format!("{} {name}", policy.by.as_str()),
            None => policy.by.as_str().to_owned(),
        },
    }
}

/// Why it knows nothing.
fn nothing(sticky: &Sticky, ask: &Ask<'_>) -> &'static str {
    let sends = |name: &str| ask.affinity.any_cookie(name, &mut |_| true);
    match sticky {
        Sticky::Cookie(policy) if sends(&policy.name) => {
            "its value is forged, too old or of another lbd: ignored, and replaced with the answer"
        }
        Sticky::Cookie(_) => "none is sent: one comes with the answer",
        Sticky::Marked(policy) if sends(&policy.name) => "the cookie bears no mark of ours: ignored",
        Sticky::Marked(_) => "none is sent: it is marked when the application sets it",
        Sticky::Table(policy) => match (policy.by.of(ask), policy.by.is_hashed()) {
            (None, _) => "the request shows none",
            (Some(_), true) => "no entry: its hash says where it belongs",
            (Some(_), false) => "no entry: no server gave this session",
        },
    }
}

/// ` (entry 203.0.113.9, idle 12s, 3 open streams)`.
fn entry(sticky: &Sticky, ask: &Ask<'_>) -> Option<String> {
    let policy = sticky.table_policy()?;
    let key = policy.by.of(ask)?;
    let entry = policy.table.get(key, ask.now)?;
    let streams = match entry.streams {
        0 => String::new(),
        1 => ", 1 open stream".to_owned(),
        many => format!(", {many} open streams"),
    };
    Some(format!(" (entry {}, idle {}s{streams})", policy.by.show(key), ask.now.saturating_sub(entry.used)))
}

fn by(how: How) -> &'static str {
    match how {
        How::StickyCookie => "its cookie says so",
        How::StickySource => "the entry of its address",
        How::StickyHeader => "the entry of its header",
        How::StickyLearned => "the entry of its session",
        How::Balanced | How::Redispatched => "the balance",
    }
}

fn nobody(none: Unavailable) -> &'static str {
    match none {
        Unavailable::NoServers => "would get 503: the pool has no servers",
        Unavailable::AllDown | Unavailable::AllTried => "would get 503: no server takes new clients",
        Unavailable::StickyDown => "would get 503: its own server takes nobody",
        Unavailable::Busy(_) => "would wait, or get 503: every server is full",
    }
}

fn why(member: &Member) -> &'static str {
    match member.eligibility() {
        Eligibility::Ready => "ready",
        Eligibility::StickyOnly => "for known clients only",
        Eligibility::No(why) => why.as_str(),
    }
}

/// `a: 3 requests, 12 sessions`, `b: down`.
fn state(member: &Member) -> String {
    let server = &member.server;
    let backup = if member.backup { ", a backup" } else { "" };
    let text = match member.eligibility() {
        Eligibility::Ready if server.is_full() => "full".to_owned(),
        Eligibility::Ready => "takes new clients".to_owned(),
        Eligibility::StickyOnly if member.effective_weight() == 0 => {
            "no new clients: it has no share".to_owned()
        }
        Eligibility::StickyOnly => "no new clients: it drains".to_owned(),
        Eligibility::No(Why::Drain) => "takes nobody: it drains, and its clients move".to_owned(),
        Eligibility::No(why) => format!("takes nobody: {}", why.as_str()),
    };
    let load = format!("{} in flight, {} streams", server.in_flight(), server.sessions.count());
    format!("{}: {text}{backup} ({load})", server.name)
}

#[cfg(test)]
mod tests;
