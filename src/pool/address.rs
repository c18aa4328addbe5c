//! Where a server is reached: a literal address for ever, or what its name last resolved to.
//!
//! Workers read it per request without a lock: the resolved addresses stand in a few atomics under a sequence
//! number (odd while the one writer is at work), so a reader sees one whole answer or tries again.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Mutex, PoisonError};

/// How many addresses of a name are used.
const MOST: usize = 8;
/// A reader that met the writer this often takes the first address as it is; writes are rare and short.
const TRIES: usize = 1000;

/// Resolved addresses, read without a lock.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    sequence: AtomicU64,
    count: AtomicU64,
    turn: AtomicU64,
    words: [[AtomicU64; 2]; MOST],
    writer: Mutex<()>,
}

impl Addresses {
    /// Replaces them; says whether they differ (in any order) from what was there. Only the first few are kept.
    pub(super) fn set(&self, addresses: &[IpAddr]) -> bool {
        let _one = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = addresses.to_vec();
        new.sort_unstable();
        new.dedup();
        new.truncate(MOST);
        if new == self.list() {
            return false;
        }
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (words, address) in self.words.iter().zip(&new) {
            let [high, low] = to_words(*address);
            words[0].store(high, Ordering::Relaxed);
            words[1].store(low, Ordering::Relaxed);
        }
        self.count.store(new.len() as u64, Ordering::Relaxed);
        self.sequence.store(sequence + 2, Ordering::Release);
        true
    }

    /// The next one in turn.
    pub(super) fn next(&self) -> Option<IpAddr> {
        let (count, only) = self.read(|_| 0)?;
        if count == 1 {
            return Some(only);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) as usize;
        self.read(|count| turn % count).map(|(_, ip)| ip)
    }

    /// Whether `ip` is one of them.
    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        let count = self.count.load(Ordering::Acquire) as usize;
        (0..count.min(MOST)).any(|i| self.read(|_| i).is_some_and(|(_, known)| known == ip))
    }

    /// Whether there is any.
    pub(super) fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// All of them, sorted.
    pub(super) fn list(&self) -> Vec<IpAddr> {
        let count = self.count.load(Ordering::Acquire) as usize;
        (0..count.min(MOST)).filter_map(|i| self.read(|_| i)).map(|(_, ip)| ip).collect()
    }

    /// How many there are, and the one at the index that `choose` makes of that.
    fn read(&self, choose: impl Fn(usize) -> usize) -> Option<(usize, IpAddr)> {
        let mut last = None;
        for _ in 0..TRIES {
            let before = self.sequence.load(Ordering::Acquire);
            let count = (self.count.load(Ordering::Relaxed) as usize).min(MOST);
            if count > 0 {
                let words = &self.words[choose(count).min(count - 1)];
                let ip = from_words([words[0].load(Ordering::Relaxed), words[1].load(Ordering::Relaxed)]);
                last = Some((count, ip));
            } else {
                last = None;
            }
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.sequence.load(Ordering::Relaxed) == before {
                return last;
            }
            std::hint::spin_loop();
        }
        last
    }
}

/// IPv4 travels as its mapped IPv6 address.
fn to_words(address: IpAddr) -> [u64; 2] {
    let bits = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    [(bits >> 64) as u64, bits as u64]
}

fn from_words([high, low]: [u64; 2]) -> IpAddr {
    Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(text: &str) -> Vec<IpAddr> {
        text.split_whitespace().map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn set_says_what_changed_and_next_goes_round() {
        let addresses = Addresses::default();
        assert_eq!(addresses.next(), None);
        assert!(addresses.set(&ips("10.0.0.2 10.0.0.1 ::1")));
        assert!(!addresses.set(&ips("::1 10.0.0.1 10.0.0.2")), "the order of an answer means nothing");
        let mut seen: Vec<_> = (0..3).filter_map(|_| addresses.next()).collect();
        seen.sort_unstable();
        assert_eq!(seen, ips("10.0.0.1 10.0.0.2 ::1"));
        assert!(addresses.contains(ips("::1")[0]) && !addresses.contains(ips("10.0.0.9")[0]));
        assert!(addresses.set(&ips("10.0.0.9")));
        assert_eq!(addresses.next(), Some(ips("10.0.0.9")[0]));
        assert!(addresses.set(&[]));
        assert!(!addresses.any());
    }

    #[test]
    fn a_reader_never_sees_half_an_answer() {
        let addresses = Addresses::default();
        let (a, b) = (ips("2001:db8::1"), ips("10.1.1.1"));
        addresses.set(&a);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for i in 0..20_000 {
                    addresses.set(if i % 2 == 0 { &b } else { &a });
                }
            });
            for _ in 0..20_000 {
                let seen = addresses.next().expect("never empty");
                assert!(seen == a[0] || seen == b[0], "{seen}");
            }
        });
    }
}
