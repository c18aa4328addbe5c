//! Words that were found to be signed lately, so that a client that stays is not asked for its proof each time: a look
//! here takes 230 instructions, a signature 6,000 (a fifth of what a request with a sticky cookie cost).
//!
//! They belong to the keys and go with them. A word is believed for the name of exactly the cookie that it was verified
//! for; how old it may be is not decided here. There are so many places and no more: a word takes the place that its
//! last letters say, whoever has it. Nobody waits for a place: who finds it in use, verifies.

use std::sync::{Arc, Mutex, OnceLock};

use aws_lc_rs::constant_time;

use super::keys::Signed;
use super::token::{CookieValue, LENGTH, Token};

/// As a power of two: 4096 places, about 400 KB once the first word was verified.
const BITS: u32 = 12;

/// See the module.
#[derive(Default)]
pub(super) struct Verified {
    places: OnceLock<Box<[Mutex<Option<Word>>]>>,
}

struct Word {
    value: CookieValue,
    /// The cookie's. The same one, not an equal one: that is as exact, and compared at once.
    name: Arc<str>,
    token: Token,
    signed: Signed,
}

impl Verified {
    /// What this word says in a cookie of this name, if that was verified and is still remembered.
    pub(super) fn find(&self, value: &CookieValue, name: &Arc<str>) -> Option<(Token, Signed)> {
        let place = self.places.get()?[place(value)].try_lock().ok()?;
        let word = place.as_ref().filter(|word| Arc::ptr_eq(&word.name, name))?;
        // In constant time, as the signature itself: who guesses learns nothing from how long it takes.
        constant_time::verify_slices_are_equal(&word.value, value).ok()?;
        Some((word.token, word.signed))
    }

    /// Remembers that this word was verified.
    pub(super) fn note(&self, value: &CookieValue, name: &Arc<str>, (token, signed): (Token, Signed)) {
        let places = self.places.get_or_init(|| (0..1 << BITS).map(|_| Mutex::default()).collect());
        if let Ok(mut place) = places[place(value)].try_lock() {
            *place = Some(Word { value: *value, name: Arc::clone(name), token, signed });
        }
    }
}

/// Its last letters are of the signature: nobody can choose them.
fn place(value: &CookieValue) -> usize {
    let last = value[LENGTH - 8..].iter().fold(0, |last, letter| last << 8 | u64::from(*letter));
    (last.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::super::KeyRing;
    use super::*;
    use crate::pool::server::ServerId;

    const TOKEN: Token = Token { server: ServerId(7), issued: 1, seen: 2 };

    #[test]
    fn a_word_is_remembered_for_its_cookie_and_its_keys_only() {
        let keys = KeyRing::ephemeral(0).unwrap();
        let (name, other): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let value = TOKEN.seal(&name, &keys);
        assert_eq!(keys.verified.find(&value, &name), None, "never verified");
        assert_eq!(Token::open(&value, &name, &keys), Some((TOKEN, Signed::Now)));
        assert_eq!(keys.verified.find(&value, &name), Some((TOKEN, Signed::Now)));
        assert_eq!(keys.verified.find(&value, &other), None);
        assert_eq!(keys.verified.find(&value, &"a".into()), None, "a cookie of another configuration");
        assert_eq!(Token::open(&value, &other, &keys), None);
        assert_eq!(Token::open(&value, &name, &KeyRing::ephemeral(0).unwrap()), None);
    }

    #[test]
    fn what_is_like_a_remembered_word_is_not_believed() {
        let keys = KeyRing::ephemeral(0).unwrap();
        let name: Arc<str> = "a".into();
        let value = TOKEN.seal(&name, &keys);
        assert!(Token::open(&value, &name, &keys).is_some());
        for at in 0..LENGTH {
            let mut forged = value;
            forged[at] = if value[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(Token::open(&forged, &name, &keys), None, "letter {at}");
        }
        assert_eq!(Token::open(&value, &name, &keys), Some((TOKEN, Signed::Now)), "and it is not forgotten");
    }

    #[test]
    fn places_are_taken_by_who_comes_last_and_all_are_read_right() {
        let keys = KeyRing::ephemeral(0).unwrap();
        let name: Arc<str> = "a".into();
        let token = |issued| Token { issued, ..TOKEN };
        let values: Vec<_> = (0..3 << BITS).map(|issued| token(issued).seal(&name, &keys)).collect();
        for (issued, value) in (0..).zip(&values) {
            assert_eq!(Token::open(value, &name, &keys), Some((token(issued), Signed::Now)));
        }
        let kept = values.iter().filter(|value| keys.verified.find(value, &name).is_some()).count();
        assert!((1 << (BITS - 1)..=1 << BITS).contains(&kept), "{kept}");
        for (issued, value) in (0..).zip(&values) {
            assert_eq!(Token::open(value, &name, &keys), Some((token(issued), Signed::Now)));
        }
    }
}
