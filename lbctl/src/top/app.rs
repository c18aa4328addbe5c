//! What the screen knows, and what a key means. Pure: no terminal, no socket, no clock.

use lbctl::protocol::{AdminState, Event, Look, PoolSummary, Server};
use std::collections::VecDeque;

/// Looks whose rates are drawn.
const HISTORY: usize = 120;
/// Events that are kept.
const EVENTS: usize = 200;

/// A key, as far as the screen cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    /// Tab, left, right: the other pane.
    Across,
    Enter,
    Escape,
    Backspace,
    Char(char),
    /// Ctrl-C.
    Quit,
}

/// What a key asks the world for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Leave.
    Quit,
    /// What would this change do?
    Propose(Change),
    /// Do it.
    Change(Change),
    /// Where would this request go?
    Explain(String),
}

/// A change to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) pool: String,
    pub(super) server: String,
    pub(super) state: AdminState,
    /// Guards objected, and the operator wants it all the same.
    pub(super) force: bool,
}

/// What is in front of the panes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Front {
    #[default]
    Nothing,
    /// The keys.
    Help,
    /// A text to read.
    Text(String),
    /// A change to agree to.
    Confirm(Change, String),
    /// A filter is being typed.
    Filter,
    /// A URL is being typed.
    Url(String),
}

/// Which pane the arrows move in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Focus {
    #[default]
    Pools,
    Servers,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct App {
    pub(super) look: Option<Look>,
    /// Why there is no newer look.
    pub(super) lost: Option<String>,
    /// Requests a second over all pools, oldest first.
    pub(super) rates: VecDeque<u64>,
    pub(super) events: VecDeque<Event>,
    pub(super) focus: Focus,
    pub(super) front: Front,
    pub(super) filter: String,
    /// What the last change came to.
    pub(super) message: Option<String>,
    pool: Option<String>,
    server: Option<String>,
}

impl App {
    /// Takes a new look.
    pub(super) fn take(&mut self, look: Look) {
        if self.look.as_ref().is_some_and(|before| before.instance != look.instance) {
            self.events.clear();
            self.rates.clear();
        }
        let rate: f64 = look.status.pools.iter().filter_map(|pool| pool.rate).sum();
        self.rates.push_back(rate.round() as u64);
        keep(&mut self.rates, HISTORY);
        // A stream that began anew tells some of them again.
        let last = self.events.back().map_or(0, |event| event.seq);
        self.events.extend(look.events.iter().filter(|event| event.seq > last).cloned());
        keep(&mut self.events, EVENTS);
        self.look = Some(look);
        self.lost = None;
    }

    /// The pools that pass the filter: those whose name or one of whose servers contains it.
    pub(super) fn pools(&self) -> Vec<&PoolSummary> {
        let all = self.look.iter().flat_map(|look| &look.status.pools);
        all.filter(|pool| {
            self.matches(&pool.name) || self.all_servers(&pool.name).any(|one| self.server_matches(one))
        })
        .collect()
    }

    /// The servers of the chosen pool that pass the filter.
    pub(super) fn servers(&self) -> Vec<&Server> {
        let Some(pool) = self.pool() else { return Vec::new() };
        let whole = self.matches(&pool.name);
        self.all_servers(&pool.name).filter(|one| whole || self.server_matches(one)).collect()
    }

    /// The chosen pool.
    pub(super) fn pool(&self) -> Option<&PoolSummary> {
        let pools = self.pools();
        let chosen = pools.iter().position(|pool| Some(&pool.name) == self.pool.as_ref());
        pools.get(chosen.unwrap_or(0)).copied()
    }

    /// Where the chosen pool stands.
    pub(super) fn pool_at(&self) -> usize {
        let name = self.pool().map(|pool| &pool.name);
        self.pools().iter().position(|pool| Some(&pool.name) == name).unwrap_or(0)
    }

    /// Where the chosen server stands.
    pub(super) fn server_at(&self) -> usize {
        self.servers().iter().position(|one| Some(&one.name) == self.server.as_ref()).unwrap_or(0)
    }

    /// What a key means.
    pub(super) fn on(&mut self, key: Key) -> Option<Act> {
        if key == Key::Quit {
            return Some(Act::Quit);
        }
        match std::mem::take(&mut self.front) {
            Front::Nothing => self.on_panes(key),
            Front::Help | Front::Text(_) => None,
            Front::Confirm(change, text) => match key {
                Key::Char('y') => Some(Act::Change(change)),
                Key::Char('n' | 'q') | Key::Escape => {
                    self.message = Some("nothing was changed".to_owned());
                    None
                }
                // Neither yes nor no: the question stays.
                _ => {
                    self.front = Front::Confirm(change, text);
                    None
                }
            },
            Front::Filter => {
                match key {
                    Key::Enter => return None,
                    Key::Escape => {
                        self.filter.clear();
                        return None;
                    }
                    Key::Backspace => drop(self.filter.pop()),
                    Key::Char(letter) => self.filter.push(letter),
                    _ => {}
                }
                self.front = Front::Filter;
                None
            }
            Front::Url(mut url) => {
                match key {
                    Key::Enter if url.is_empty() => return None,
                    Key::Enter => return Some(Act::Explain(url)),
                    Key::Escape => return None,
                    Key::Backspace => drop(url.pop()),
                    Key::Char(letter) => url.push(letter),
                    _ => {}
                }
                self.front = Front::Url(url);
                None
            }
        }
    }

    fn on_panes(&mut self, key: Key) -> Option<Act> {
        self.message = None;
        match key {
            Key::Char('q') => return Some(Act::Quit),
            Key::Escape if self.filter.is_empty() => return Some(Act::Quit),
            Key::Escape => self.filter.clear(),
            Key::Char('?' | 'h') => self.front = Front::Help,
            Key::Char('/') => self.front = Front::Filter,
            Key::Char('e') => self.front = Front::Url(String::new()),
            Key::Char('d') => return self.propose(AdminState::Drain),
            Key::Char('r') => return self.propose(AdminState::Ready),
            Key::Char('m') => return self.propose(AdminState::Maint),
            Key::Across => {
                self.focus = if self.focus == Focus::Pools { Focus::Servers } else { Focus::Pools };
            }
            Key::Enter => self.focus = Focus::Servers,
            Key::Up | Key::Char('k') => self.step(-1),
            Key::Down | Key::Char('j') => self.step(1),
            Key::PageUp => self.step(-10),
            Key::PageDown => self.step(10),
            Key::Home => self.step(isize::MIN / 2),
            Key::End => self.step(isize::MAX / 2),
            Key::Backspace | Key::Char(_) | Key::Quit => {}
        }
        None
    }

    fn propose(&mut self, state: AdminState) -> Option<Act> {
        let servers = self.servers();
        let chosen =
            servers.get(self.server_at()).filter(|_| self.focus == Focus::Servers || servers.len() == 1);
        let Some(server) = chosen else {
            self.message = Some("choose a server first: Tab, then the arrows".to_owned());
            return None;
        };
        let (pool, server) = (server.pool.clone(), server.name.clone());
        Some(Act::Propose(Change { pool, server, state, force: false }))
    }

    fn step(&mut self, by: isize) {
        let moved = |at: usize, length: usize| at.saturating_add_signed(by).min(length.saturating_sub(1));
        match self.focus {
            Focus::Pools => {
                let pools = self.pools();
                let next = pools.get(moved(self.pool_at(), pools.len())).map(|pool| pool.name.clone());
                if next != self.pool {
                    self.server = None;
                }
                self.pool = next;
            }
            Focus::Servers => {
                let servers = self.servers();
                self.server = servers.get(moved(self.server_at(), servers.len())).map(|one| one.name.clone());
            }
        }
    }

    fn all_servers<'a>(&'a self, pool: &'a str) -> impl Iterator<Item = &'a Server> {
        self.look.iter().flat_map(|look| &look.servers).filter(move |one| one.pool == pool)
    }

    fn matches(&self, text: &str) -> bool {
        text.contains(&self.filter)
    }

    fn server_matches(&self, server: &Server) -> bool {
        self.matches(&server.name) || self.matches(&server.address)
    }
}

/// Keeps the latest.
fn keep<T>(queue: &mut VecDeque<T>, most: usize) {
    queue.drain(..queue.len().saturating_sub(most));
}
