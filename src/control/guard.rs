//! Guards: what an operator must say twice.

use crate::pool::{Eligibility, Member, Pool};
use lbctl::protocol::{Kind, Problem};

/// The servers that new clients go to when `member` takes none, by name.
pub(super) fn others(pool: &Pool, member: &Member) -> Vec<String> {
    let ready = |other: &&Member| !std::ptr::eq(*other, member) && other.eligibility() == Eligibility::Ready;
    let primaries: Vec<&Member> = pool.members.iter().filter(|other| !other.backup).filter(ready).collect();
    let chosen = if primaries.is_empty() { pool.members.iter().filter(ready).collect() } else { primaries };
    chosen.iter().map(|other| other.server.name.to_string()).collect()
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
