//! Guards: what an operator must say twice.

use crate::pool::{Eligibility, Member, Pool, Wish};
use lbctl::protocol::{Kind, Problem};

/// The servers that new clients go to when `member` takes none, by name.
pub(super) fn others(pool: &Pool, member: &Member) -> Vec<String> {
    let ready = |other: &&Member| !std::ptr::eq(*other, member) && other.eligibility() == Eligibility::Ready;
    let primaries: Vec<&Member> = pool.members.iter().filter(|other| !other.backup).filter(ready).collect();
    let chosen = if primaries.is_empty() { pool.members.iter().filter(ready).collect() } else { primaries };
    chosen.iter().map(|other| other.server.name.to_string()).collect()
}

/// What speaks against taking `member` away, the gravest first.
pub(super) fn of_leaving(pool: &Pool, member: &Member, verb: &str) -> Vec<Problem> {
    if let Err(problem) = last_server(pool, member, verb) {
        return vec![*problem];
    }
    [half_of_pool(pool, member), capacity(pool, member)]
        .into_iter()
        .flatten()
        .map(|problem| *problem)
        .collect()
}

/// More than half of a pool must not be away at once unawares.
fn half_of_pool(pool: &Pool, member: &Member) -> Option<Box<Problem>> {
    let is_away = |other: &&Member| other.server.admin.get().wish != Wish::Ready;
    let away: Vec<&str> = pool.members.iter().filter(is_away).map(|other| &*other.server.name).collect();
    let takes = member.eligibility() == Eligibility::Ready;
    if !takes || (away.len() + 1) * 2 <= pool.members.len() {
        return None;
    }
    let path = format!("{}/{}", pool.name, member.server.name);
    let detail = format!(
        "with {path} away, {} of the {} servers of {} are away ({} already)",
        away.len() + 1,
        pool.members.len(),
        pool.name,
        away.join(", ")
    );
    let back = away.first().map(|name| format!("bring one back first (lbctl ready {}/{name})", pool.name));
    let problem = Problem::new(Kind::HalfOfPool, detail).about(path);
    Some(back.into_iter().fold(problem, Problem::help).help("--force").into())
}

/// The servers that stay must have room for the requests that run now.
fn capacity(pool: &Pool, member: &Member) -> Option<Box<Problem>> {
    if member.eligibility() != Eligibility::Ready {
        return None;
    }
    let stay = others(pool, member);
    let stays = |other: &&Member| stay.iter().any(|name| **name == *other.server.name);
    let room = pool.members.iter().filter(stays).try_fold(0u64, |sum, other| {
        // One server without a limit has room for all.
        Some(sum + u64::from(other.server.max_requests()?))
    })?;
    let load: u64 = pool.members.iter().map(|other| u64::from(other.server.in_flight())).sum();
    if room >= load {
        return None;
    }
    let path = format!("{}/{}", pool.name, member.server.name);
    let detail = format!(
        "{load} requests run in {}, and the servers that stay take {room} ({})",
        pool.name,
        stay.join(", ")
    );
    let help = "wait for a quieter time, or raise max-requests of the others";
    Some(Problem::new(Kind::Capacity, detail).about(path).help(help).help("--force").into())
}

/// The last server that takes new clients must not be taken away unawares. A server that takes none already may go.
pub(super) fn last_server(pool: &Pool, member: &Member, verb: &str) -> Result<(), Box<Problem>> {
    if member.eligibility() != Eligibility::Ready || !others(pool, member).is_empty() {
        return Ok(());
    }
    let path = format!("{}/{}", pool.name, member.server.name);
    let detail =
        format!("{path} is the last server that is up; {verb} it would answer 503 to every new client");
    let mut problem = Problem::new(Kind::LastServer, detail).about(path);
    let other = pool.members.iter().find(|other| !std::ptr::eq(*other, member));
    if let Some(other) = other {
        let command = match other.server.eligibility() {
            Eligibility::No(crate::pool::Why::Down | crate::pool::Why::Unchecked) => "server check",
            _ => "ready",
        };
        problem = problem
            .help(format!("bring one back first (lbctl {command} {}/{})", pool.name, other.server.name));
    }
    Err(problem.help("--force").into())
}
