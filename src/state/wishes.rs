//! The book of wishes: those of servers that are named, and those that wait for their name to return.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::pool::{AdminState, Pool};

/// The version of the file that this program writes and reads.
const VERSION: u32 = 1;
/// How long a wish waits for its name to return.
const PARKED: Duration = Duration::from_secs(24 * 60 * 60);
/// Wishes that wait at most; the oldest make room.
const MOST_PARKED: usize = 10_000;

/// Pool and server.
type Key = (String, String);

/// Everything that is wished.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Of servers that the running generation names, as of the last look.
    present: BTreeMap<Key, AdminState>,
    /// Of servers that it does not name, and since when.
    parked: BTreeMap<Key, (AdminState, SystemTime)>,
    /// What the file says.
    written: String,
}

/// A wish that holds again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The pool.
    pub pool: String,
    /// The server.
    pub server: String,
    /// What is wished of it.
    pub state: AdminState,
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    version: u32,
    wishes: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    pool: String,
    server: String,
    /// Seconds since 1970 at which its name left the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone: Option<u64>,
    wish: AdminState,
}

#[derive(Debug, Deserialize)]
struct Version {
    version: u32,
}

impl Wishes {
    /// What a file says. Every wish in it waits for its name. The error is a sentence.
    pub fn parse(text: &str, now: SystemTime) -> Result<Self, String> {
        let Version { version } = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if version != VERSION {
            return Err(format!("it is of version {version}, this lbd reads version {VERSION}"));
        }
        let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let entry = |entry: Entry| {
            let gone = entry.gone.and_then(|gone| UNIX_EPOCH.checked_add(Duration::from_secs(gone)));
            ((entry.pool, entry.server), (entry.wish, gone.unwrap_or(now)))
        };
        let parked = document.wishes.into_iter().map(entry).collect();
        Ok(Self { present: BTreeMap::new(), parked, written: text.to_owned() })
    }

    /// One generation gives way to the next: wishes for names that are gone wait, and those whose name is back hold
    /// again, unless somebody has wished something else meanwhile.
    pub fn turn(&mut self, previous: &[&Pool], next: &[&Pool], now: SystemTime) -> Vec<Restored> {
        self.present = gather(previous);
        let named: BTreeSet<Key> = each(next).map(|(key, _)| key).collect();
        for (key, state) in std::mem::take(&mut self.present) {
            if !named.contains(&key) {
                self.parked.insert(key, (state, now));
            }
        }
        self.forget(now);
        let mut restored = Vec::new();
        for pool in next {
            for member in &pool.members {
                let key = (pool.name.to_string(), member.server.name.to_string());
                let Some((state, _)) = self.parked.remove(&key) else { continue };
                if member.server.admin.get().is_default() {
                    member.server.admin.restore(state.clone());
                    restored.push(Restored { pool: key.0, server: key.1, state });
                }
            }
        }
        self.present = gather(next);
        restored
    }

    /// What the file should say, when that is not what it says.
    pub fn stale(&mut self, pools: &[&Pool], now: SystemTime) -> Option<String> {
        self.present = gather(pools);
        self.forget(now);
        let text = self.text();
        (text != self.written).then_some(text)
    }

    /// What the file should say now.
    pub fn now(&mut self, pools: &[&Pool], now: SystemTime) -> String {
        self.present = gather(pools);
        self.forget(now);
        self.text()
    }

    /// What waits for a server of this name.
    pub fn of(&self, pool: &str, server: &str) -> AdminState {
        let key = (pool.to_owned(), server.to_owned());
        self.parked.get(&key).map(|(state, _)| state.clone()).unwrap_or_default()
    }

    /// The file says this now.
    pub fn saved(&mut self, text: String) {
        self.written = text;
    }

    fn forget(&mut self, now: SystemTime) {
        // A clock that was set back makes nothing older.
        self.parked.retain(|_, (_, gone)| {
            now.duration_since(*gone).is_ok_and(|waited| waited < PARKED) || *gone > now
        });
        while self.parked.len() > MOST_PARKED {
            let oldest = self.parked.iter().min_by_key(|(_, (_, gone))| *gone).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { return };
            self.parked.remove(&oldest);
        }
    }

    fn text(&self) -> String {
        if self.present.is_empty() && self.parked.is_empty() && self.written.is_empty() {
            // Nothing was ever wished: no file is needed to say so.
            return String::new();
        }
        let entry = |(key, wish): (&Key, &AdminState), gone: Option<&SystemTime>| Entry {
            pool: key.0.clone(),
            server: key.1.clone(),
            gone: gone.map(|gone| gone.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()),
            wish: wish.clone(),
        };
        let present = self.present.iter().map(|one| entry(one, None));
        let parked = self.parked.iter().map(|(key, (wish, gone))| entry((key, wish), Some(gone)));
        let document = Document { version: VERSION, wishes: present.chain(parked).collect() };
        // Strings, numbers and times since 1970: it can always be written.
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }
}

fn gather(pools: &[&Pool]) -> BTreeMap<Key, AdminState> {
    each(pools).filter(|(_, state)| !state.is_default()).collect()
}

fn each(pools: &[&Pool]) -> impl Iterator<Item = (Key, AdminState)> {
    pools.iter().flat_map(|pool| {
        pool.members.iter().map(|member| {
            ((pool.name.to_string(), member.server.name.to_string()), member.server.admin.get())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::testing::settings;
    use crate::pool::{DrainSticky, Stamp, Wish};

    const HOUR: Duration = Duration::from_secs(3600);

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn pool(servers: &[&str]) -> Pool {
        Pool::new(settings(servers), None, 1)
    }

    fn stamp() -> Stamp {
        Stamp { uid: Some(1000), ..Stamp::now(Some("ann".into()), Some("disk".into())) }
    }

    fn wish(pool: &Pool, server: &str) -> AdminState {
        pool.member(server).expect("a server of the test").server.admin.get()
    }

    #[test]
    fn a_restart_brings_every_wish_back_with_its_owner() {
        let before = pool(&["a", "b", "c", "d"]);
        let deadline = Some(now() + HOUR);
        let cell = |name: &str| &before.member(name).expect("a server").server.admin;
        cell("a").set(Wish::Drain { sticky: DrainSticky::Move, deadline }, stamp());
        cell("b").set(Wish::Maint, stamp());
        cell("c").set_weight(Some(7), stamp());
        let mut book = Wishes::default();
        let text = book.stale(&[&before], now()).expect("there is something to write");
        book.saved(text.clone());
        assert_eq!(book.stale(&[&before], now()), None, "the file says it");
        let mut book = Wishes::parse(&text, now() + HOUR).expect("our own file");
        let after = pool(&["a", "b", "c", "d"]);
        let restored = book.turn(&[], &[&after], now() + HOUR);
        assert_eq!(restored.iter().map(|one| one.server.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        for name in ["a", "b", "c", "d"] {
            assert_eq!(wish(&after, name), wish(&before, name), "{name}");
        }
        let owner = wish(&after, "b").stamp.expect("an owner");
        assert_eq!(
            (owner.uid, owner.by.as_deref(), owner.reason.as_deref()),
            (Some(1000), Some("ann"), Some("disk"))
        );
        assert_eq!(book.stale(&[&after], now() + HOUR), None);
    }

    #[test]
    fn a_wish_waits_a_day_for_its_name() {
        for (waited, back) in [(23 * HOUR, true), (25 * HOUR, false)] {
            let (both, one) = (pool(&["a", "b"]), pool(&["a"]));
            both.member("b").expect("b").server.admin.set(Wish::Maint, stamp());
            let mut book = Wishes::default();
            assert!(book.turn(&[&both], &[&one], now()).is_empty());
            let text = book.stale(&[&one], now()).expect("the file names who is gone");
            // A restart in between changes nothing of it.
            let mut book = Wishes::parse(&text, now() + waited).expect("our own file");
            let again = pool(&["a", "b"]);
            let restored = book.turn(&[], &[&again], now() + waited);
            assert_eq!(restored.len(), usize::from(back), "{waited:?}");
            assert_eq!(wish(&again, "b").wish == Wish::Maint, back, "{waited:?}");
        }
    }

    #[test]
    fn what_was_wished_meanwhile_is_stronger() {
        let (both, one, again) = (pool(&["a", "b"]), pool(&["a"]), pool(&["a", "b"]));
        both.member("b").expect("b").server.admin.set(Wish::Maint, stamp());
        let mut book = Wishes::default();
        book.turn(&[&both], &[&one], now());
        let newer = Wish::Drain { sticky: DrainSticky::Keep, deadline: None };
        again.member("b").expect("b").server.admin.set(newer.clone(), stamp());
        assert!(book.turn(&[&one], &[&again], now()).is_empty());
        assert_eq!(wish(&again, "b").wish, newer);
    }

    #[test]
    fn a_whole_pool_may_come_back() {
        let all = pool(&["a"]);
        all.member("a").expect("a").server.admin.set_weight(Some(0), stamp());
        let mut book = Wishes::default();
        book.turn(&[&all], &[], now());
        let again = pool(&["a"]);
        assert_eq!(book.turn(&[], &[&again], now() + HOUR).len(), 1);
        assert_eq!(wish(&again, "a").weight, Some(0));
    }

    #[test]
    fn ready_again_leaves_an_empty_book() {
        let all = pool(&["a"]);
        let admin = &all.member("a").expect("a").server.admin;
        let mut book = Wishes::default();
        assert_eq!(book.stale(&[&all], now()), None, "no wish, no file");
        admin.set(Wish::Maint, stamp());
        let text = book.stale(&[&all], now()).expect("a wish");
        book.saved(text);
        admin.set(Wish::Ready, stamp());
        let text = book.stale(&[&all], now()).expect("no wish any more");
        assert!(Wishes::parse(&text, now()).expect("our own file").parked.is_empty());
    }

    #[test]
    fn what_is_not_ours_is_refused_with_a_reason() {
        let check = |text: &str, part: &str| {
            let error = Wishes::parse(text, now()).expect_err("not ours");
            assert!(error.contains(part), "{text}: {error}");
        };
        check("", "EOF");
        check("{\"version\":1,\"wishes\":[{\"pool\":\"a\"", "EOF");
        check("{\"version\":2,\"wishes\":5}", "version 2");
        check("[]", "invalid");
        check(
            "{\"version\":1,\"wishes\":[{\"pool\":\"a\",\"server\":\"b\",\"wish\":{\"state\":\"sleep\"}}]}",
            "sleep",
        );
    }

    #[test]
    fn the_book_has_a_last_page() {
        let mut book = Wishes::default();
        for number in 0..MOST_PARKED as u64 + 5 {
            let at = now() + Duration::from_secs(number);
            book.parked.insert(("p".into(), number.to_string()), (AdminState::default(), at));
        }
        book.forget(now() + Duration::from_secs(MOST_PARKED as u64 + 5));
        assert_eq!(book.parked.len(), MOST_PARKED);
        assert!(!book.parked.contains_key(&("p".into(), "4".into())));
    }
}
