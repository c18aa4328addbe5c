//! Session tickets: what they are sealed with, and how the keys come to a process that takes over.
//!
//! A ticket is the name of its key, a random nonce and the session under AES-256-GCM-SIV (RFC 8452). A key seals for
//! six hours and opens for six hours more; then it is forgotten, and with it what could be read by whoever steals it
//! (RFC 8446, section 2.2 and appendix F.1). Keys are never on a disk: the one process tells the other.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use data_encoding::HEXLOWER;
use rustls::server::ProducesTickets;

use super::listener::{ClientsKey, unix_now};
use super::store::Cache;

/// How long a key seals, in seconds, and how much longer it opens.
const TURN: u64 = 6 * 60 * 60;
const NAME: usize = 16;
const SECRET: usize = 32;
/// What stands for listeners that ask clients for no certificate.
const NOBODY: &str = "-";

/// The tickets of a process.
#[derive(Debug)]
pub struct Tickets {
    /// Of all listeners that ask clients for no certificate, for the life of the process: reloads lose no ticket.
    open: Arc<Ticketer>,
    /// A ticket also stands for the client certificate that was verified when it was given. So each way to ask for
    /// one has tickets of its own: none of another listener, or of authorities that are no longer trusted, takes the
    /// place of a certificate.
    of_clients: Mutex<Cache<ClientsKey, Arc<Ticketer>>>,
    /// Keys of the process before this one, until somebody asks for certificates in their way.
    handed: Mutex<HashMap<String, Vec<Key>>>,
}

impl Tickets {
    /// With fresh keys.
    pub(super) fn new() -> Self {
        Self { open: Ticketer::new(Vec::new()), of_clients: Mutex::default(), handed: Mutex::default() }
    }

    /// What makes the tickets of listeners that ask clients for such a certificate, or for none.
    pub(super) fn of(&self, clients: Option<ClientsKey>) -> Arc<dyn ProducesTickets> {
        let Some(clients) = clients else { return self.open.clone() };
        let mut known = lock(&self.of_clients);
        match known.get(&clients) {
            Some(known) => known,
            None => {
                let keys = lock(&self.handed).remove(&name_of(&clients)).unwrap_or_default();
                known.insert(clients, Ticketer::new(keys))
            }
        }
    }

    /// A round begins, as in [`super::Store`].
    pub(super) fn begin(&self) {
        lock(&self.of_clients).begin();
    }

    /// A round ended well: ways to ask that are not used are forgotten, with their keys.
    pub(super) fn commit(&self) {
        lock(&self.of_clients).sweep();
        lock(&self.handed).clear();
    }

    /// All keys. A secret: for a process that takes over from this one.
    pub fn text(&self) -> String {
        let mut text = self.open.text(NOBODY);
        lock(&self.of_clients).each(|clients, ticketer| text.push_str(&ticketer.text(&name_of(clients))));
        text
    }

    /// Takes over the keys of another process, written by [`Tickets::text`], before there is any ticket of its own.
    /// What cannot be read is left out: its clients shake hands anew.
    pub fn take_over(&self, text: &str) {
        let mut keys: HashMap<String, Vec<Key>> = HashMap::new();
        for (name, key) in text.lines().filter_map(Key::read) {
            keys.entry(name.to_owned()).or_default().push(key);
        }
        if let Some(open) = keys.remove(NOBODY) {
            self.open.adopt(open);
        }
        *lock(&self.handed) = keys;
    }
}

fn name_of((authorities, required): &ClientsKey) -> String {
    format!("{}{}", HEXLOWER.encode(authorities), if *required { "!" } else { "?" })
}

fn lock<T>(cell: &Mutex<T>) -> MutexGuard<'_, T> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seals and opens tickets; the newest key first.
struct Ticketer(RwLock<Vec<Key>>);

impl Ticketer {
    fn new(keys: Vec<Key>) -> Arc<Self> {
        Arc::new(Self(RwLock::new(keys)))
    }

    fn adopt(&self, keys: Vec<Key>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    fn text(&self, name: &str) -> String {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().map(|key| key.write(name)).collect()
    }

    fn seal(&self, plain: &[u8], now: u64) -> Option<Vec<u8>> {
        let is_fresh = |key: &Key| now < key.since + TURN;
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.first().filter(|key| is_fresh(key)) {
            return key.seal(plain);
        }
        drop(keys);
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have been here first.
        if !keys.first().is_some_and(is_fresh) {
            keys.insert(0, Key::random(now)?);
            keys.truncate(2);
        }
        keys.first()?.seal(plain)
    }

    fn open(&self, ticket: &[u8], now: u64) -> Option<Vec<u8>> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (name, sealed) = ticket.split_first_chunk::<NAME>()?;
        keys.iter().find(|key| key.name == *name && now < key.since + 2 * TURN)?.open(sealed)
    }
}

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        2 * TURN as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain, now())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.open(ticket, now())
    }
}

impl fmt::Debug for Ticketer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticketer")
    }
}

fn now() -> u64 {
    unix_now().unsigned_abs()
}

/// Not to be shown.
struct Key {
    name: [u8; NAME],
    secret: [u8; SECRET],
    /// Since when it seals, in unix seconds.
    since: u64,
    cipher: RandomizedNonceKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    fn random(now: u64) -> Option<Self> {
        let (mut name, mut secret) = ([0; NAME], [0; SECRET]);
        aws_lc_rs::rand::fill(&mut name).ok()?;
        aws_lc_rs::rand::fill(&mut secret).ok()?;
        Self::of(name, secret, now)
    }

    fn of(name: [u8; NAME], secret: [u8; SECRET], since: u64) -> Option<Self> {
        let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, &secret).ok()?;
        Some(Self { name, secret, since, cipher })
    }

    fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self.cipher.seal_in_place_append_tag(Aad::from(self.name), &mut sealed).ok()?;
        Some([&self.name[..], nonce.as_ref(), &sealed].concat())
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut text = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.cipher.open_in_place(nonce, Aad::from(self.name), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    /// One line.
    fn write(&self, of: &str) -> String {
        format!("{of} {} {}{}\n", self.since, HEXLOWER.encode(&self.name), HEXLOWER.encode(&self.secret))
    }

    fn read(line: &str) -> Option<(&str, Self)> {
        let mut words = line.split(' ');
        let (of, since, bytes) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        let bytes = HEXLOWER.decode(bytes.as_bytes()).ok()?;
        let (name, secret) = bytes.split_first_chunk::<NAME>()?;
        // A key that is to come would never be forgotten.
        let since: u64 = now().min(since);
        Some((of, Self::of(*name, secret.try_into().ok()?, since)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 1_000_000;

    #[test]
    fn a_key_seals_for_a_turn_and_opens_for_two() {
        let ticketer = Ticketer::new(Vec::new());
        let first = ticketer.seal(b"session", T).unwrap();
        assert_eq!(ticketer.open(&first, T + 2 * TURN - 1).as_deref(), Some(&b"session"[..]));
        assert_eq!(ticketer.open(&first, T + 2 * TURN), None, "forgotten, also where nobody made a new one");
        let same = ticketer.seal(b"session", T + TURN - 1).unwrap();
        assert_eq!(first[..NAME], same[..NAME]);
        assert_ne!(first, same, "a nonce is used once");
        let second = ticketer.seal(b"other", T + TURN).unwrap();
        assert_ne!(first[..NAME], second[..NAME]);
        assert!(ticketer.open(&first, T + TURN).is_some(), "the one before is still good");
        ticketer.seal(b"third", T + 2 * TURN).unwrap();
        assert_eq!(ticketer.0.read().unwrap().len(), 2);
    }

    #[test]
    fn a_ticket_that_was_touched_or_cut_opens_nothing() {
        let ticketer = Ticketer::new(Vec::new());
        let ticket = ticketer.seal(b"session", T).unwrap();
        for at in 0..ticket.len() {
            let mut touched = ticket.clone();
            touched[at] ^= 1;
            assert_eq!(ticketer.open(&touched, T), None, "byte {at}");
            assert_eq!(ticketer.open(&ticket[..at], T), None, "{at} bytes");
        }
    }

    #[test]
    fn another_process_opens_the_tickets_of_the_one_that_told_it_its_keys() {
        let clients: ClientsKey = ([7; 32], true);
        let (old, new) = (Tickets::new(), Tickets::new());
        let tickets = [None, Some(clients)].map(|one| old.of(one).encrypt(b"session").unwrap());
        new.take_over(&(old.text() + "neither a key\n- 5 00\n"));
        for (asked, ticket) in [None, Some(clients)].into_iter().zip(&tickets) {
            assert_eq!(new.of(asked).decrypt(ticket).as_deref(), Some(&b"session"[..]), "{asked:?}");
        }
        for stranger in [None, Some(([7; 32], false)), Some(([8; 32], true))] {
            assert_eq!(new.of(stranger).decrypt(&tickets[1]), None, "{stranger:?} asks in another way");
        }
        let from_now = new.of(None).encrypt(b"again").unwrap();
        assert_eq!(from_now[..NAME], tickets[0][..NAME], "its key goes on");
        assert!(!format!("{new:?}").contains("secret"));
    }
}
