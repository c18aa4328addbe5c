//! Everything parsed from certificate files, kept over reloads by content.
//!
//! A round is one attempt to load a configuration. What a round used is kept once it is committed;
//! what it did not use is forgotten then, so the store is never larger than two generations.

use std::collections::HashMap;
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, ServerConfig};

use super::identity::{ContentHash, Identity, Pair, Problem};
use super::listener::ListenerKey;
use super::tickets::Tickets;
use super::upstream::{Authorities, ClientKey};

/// When certificates are read. At start an expired one is an error; at a reload it is a warning, so
/// that one old certificate cannot block a fix of something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing runs yet.
    Start,
    /// Another generation is running.
    Reload,
}

/// Parsed certificates and the configurations made of them, by content.
#[derive(Debug)]
pub struct Store {
    pub(super) provider: Arc<CryptoProvider>,
    tickets: Arc<Tickets>,
    identities: Cache<ContentHash, Arc<Identity>>,
    pairs: LastGood<(PathBuf, PathBuf), Arc<Identity>>,
    pub(super) listeners: Cache<ListenerKey, Arc<ServerConfig>>,
    pub(super) authorities: Cache<ContentHash, Arc<Authorities>>,
    pub(super) bundles: LastGood<PathBuf, Arc<Authorities>>,
    pub(super) system: Option<Arc<Authorities>>,
    pub(super) clients: Cache<ClientKey, Arc<ClientConfig>>,
}

impl Store {
    /// An empty store, with fresh ticket keys.
    pub fn new() -> Self {
        Self {
            provider: Arc::new(aws_lc_rs::default_provider()),
            tickets: Arc::new(Tickets::new()),
            identities: Cache::default(),
            pairs: LastGood::default(),
            listeners: Cache::default(),
            authorities: Cache::default(),
            bundles: LastGood::default(),
            system: None,
            clients: Cache::default(),
        }
    }

    /// Begins a round: forgets what an attempt that was never committed had read.
    pub(super) fn begin(&mut self) {
        self.identities.begin();
        self.listeners.begin();
        self.tickets.begin();
        self.authorities.begin();
        self.clients.begin();
        self.pairs.now.clear();
        self.bundles.now.clear();
        self.system = None;
    }

    /// Ends a round well: what it used is good from now on, the rest is forgotten. Call it after the
    /// configurations of the round were published.
    pub fn commit(&mut self) {
        self.identities.sweep();
        self.listeners.sweep();
        self.tickets.commit();
        self.authorities.sweep();
        self.clients.sweep();
        self.pairs.commit();
        self.bundles.commit();
    }

    /// What sessions are resumed by; they outlive the store with the process that takes over.
    pub fn tickets(&self) -> &Arc<Tickets> {
        &self.tickets
    }

    /// The identity in two files as they are now.
    pub(super) fn identity(&mut self, chain: &Path, key: &Path) -> Result<Arc<Identity>, Problem> {
        let read = |what, path| std::fs::read(path).map_err(|error| Problem::unreadable(what, path, &error));
        let chain_bytes = read("certificate file", chain)?;
        let key_bytes = if key == chain { None } else { Some(read("private key file", key)?) };
        let pair = Pair {
            chain_path: chain,
            chain: &chain_bytes,
            key_path: key,
            key: key_bytes.as_deref().unwrap_or(&chain_bytes),
        };
        let hash = pair.hash();
        if let Some(known) = self.identities.get(&hash) {
            return Ok(known);
        }
        let identity = Arc::new(pair.identity(&self.provider)?);
        Ok(self.identities.insert(hash, identity))
    }

    /// What these two files held when they were last published.
    pub(super) fn last_good(&self, chain: &Path, key: &Path) -> Option<Arc<Identity>> {
        self.pairs.good.get(&(chain.to_owned(), key.to_owned())).cloned()
    }

    /// What these two files give in this round.
    pub(super) fn in_use(&self, chain: &Path, key: &Path) -> Option<Arc<Identity>> {
        self.pairs.now.get(&(chain.to_owned(), key.to_owned())).cloned()
    }

    /// Says that `identity` is what these two files give in this round.
    pub(super) fn use_pair(&mut self, chain: &Path, key: &Path, identity: &Arc<Identity>) {
        self.identities.insert(identity.hash, identity.clone());
        self.pairs.now.insert((chain.to_owned(), key.to_owned()), identity.clone());
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

/// Values by what they were made from, with a mark on those that this round used.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    entries: HashMap<K, (V, bool)>,
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new() }
    }
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        let (value, used) = self.entries.get_mut(key)?;
        *used = true;
        Some(value.clone())
    }

    pub(super) fn insert(&mut self, key: K, value: V) -> V {
        self.entries.insert(key, (value.clone(), true));
        value
    }

    pub(super) fn begin(&mut self) {
        self.entries.values_mut().for_each(|(_, used)| *used = false);
    }

    pub(super) fn each(&self, mut tell: impl FnMut(&K, &V)) {
        self.entries.iter().for_each(|(key, (value, _))| tell(key, value));
    }

    pub(super) fn sweep(&mut self) {
        self.entries.retain(|_, (_, used)| *used);
    }
}

/// What a path held when it was last published, and what it holds in this round.
#[derive(Debug)]
pub(super) struct LastGood<K, V> {
    pub(super) good: HashMap<K, V>,
    pub(super) now: HashMap<K, V>,
}

impl<K, V> Default for LastGood<K, V> {
    fn default() -> Self {
        Self { good: HashMap::new(), now: HashMap::new() }
    }
}

impl<K: Hash + Eq, V> LastGood<K, V> {
    fn commit(&mut self) {
        self.good = std::mem::take(&mut self.now);
    }
}
