//! Counts of what seldom happens, by a word from a closed set of the code's own: how a handshake ended, why a
//! request failed. Any thread counts, without a lock.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The word of what does not fit.
const OTHER: &str = "other";

/// Counts by word, of which there may be so many; what does not fit is counted as `other`.
#[derive(Debug)]
pub struct Tally<const WORDS: usize> {
    slots: [Slot; WORDS],
    other: AtomicU64,
}

#[derive(Debug, Default)]
struct Slot {
    word: OnceLock<&'static str>,
    count: AtomicU64,
}

impl<const WORDS: usize> Default for Tally<WORDS> {
    fn default() -> Self {
        Self { slots: std::array::from_fn(|_| Slot::default()), other: AtomicU64::new(0) }
    }
}

impl<const WORDS: usize> Tally<WORDS> {
    /// Counts one.
    pub fn add(&self, word: &'static str) {
        // A slot has its first word for ever, so every thread finds a word in the same place.
        let slot = self.slots.iter().find(|slot| *slot.word.get_or_init(|| word) == word);
        slot.map_or(&self.other, |slot| &slot.count).fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let other = (OTHER, self.other.load(Ordering::Relaxed));
        let counted = self.slots.iter().map_while(|slot| Some((*slot.word.get()?, slot)));
        let counted = counted.map(|(word, slot)| (word, slot.count.load(Ordering::Relaxed)));
        counted.chain([other]).filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_the_same_words_in_the_same_places() {
        let tally = Tally::<4>::default();
        assert!(tally.counts().is_empty());
        std::thread::scope(|scope| {
            for turn in 0..4 {
                let tally = &tally;
                scope.spawn(move || {
                    for at in 0..3000 {
                        tally.add(["full", "resumed", "failed"][(at + turn) % 3]);
                    }
                });
            }
        });
        let counts: Vec<_> = tally.counts().into_iter().collect();
        assert_eq!(counts, [("failed", 4000), ("full", 4000), ("resumed", 4000)]);
    }

    #[test]
    fn words_beyond_the_last_slot_are_counted_as_other() {
        let tally = Tally::<2>::default();
        ["a", "b", "c", "d", "a"].iter().for_each(|word| tally.add(word));
        let counts: Vec<_> = tally.counts().into_iter().collect();
        assert_eq!(counts, [("a", 2), ("b", 1), (OTHER, 2)]);
    }
}
