//! The sessions of one embedded server: a counter each, in memory only, bounded.

use std::collections::{HashMap, VecDeque};

use data_encoding::HEXLOWER;

/// Sessions kept; the oldest goes first.
const MAX_SESSIONS: usize = 10_000;

/// Counters by session.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    counts: HashMap<String, u64>,
    by_age: VecDeque<String>,
}

/// One visit.
#[derive(Debug)]
pub(super) struct Visit {
    /// The session's counter, this visit included.
    pub(super) count: u64,
    /// The session that was begun for a client that brought none which is known here.
    pub(super) begun: Option<String>,
}

impl Sessions {
    /// Counts a visit of the session that the client named, or begins one.
    pub(super) fn visit(&mut self, named: Option<&str>) -> Visit {
        if let Some(count) = named.and_then(|id| self.counts.get_mut(id)) {
            *count += 1;
            return Visit { count: *count, begun: None };
        }
        if self.by_age.len() == MAX_SESSIONS
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.counts.remove(&oldest);
        }
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).expect("the operating system gives random bytes");
        let id = HEXLOWER.encode(&random);
        self.by_age.push_back(id.clone());
        self.counts.insert(id.clone(), 1);
        Visit { count: 1, begun: Some(id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_counted_and_an_unknown_one_begins_anew() {
        let mut sessions = Sessions::default();
        let begun = sessions.visit(None).begun.expect("a client without a session gets one");
        assert_eq!(sessions.visit(Some(&begun)).count, 2);
        assert_eq!(sessions.visit(Some(&begun)).count, 3);
        assert_eq!(sessions.visit(Some("forged")).count, 1);
    }

    #[test]
    fn the_oldest_session_goes_when_the_table_is_full() {
        let mut sessions = Sessions::default();
        let first = sessions.visit(None).begun.expect("begun");
        for _ in 0..MAX_SESSIONS {
            sessions.visit(None);
        }
        assert_eq!(sessions.counts.len(), MAX_SESSIONS);
        assert!(sessions.visit(Some(&first)).begun.is_some(), "the first session was forgotten");
    }
}
