//! `Accept-Encoding`: which of our codings a client likes best (RFC 9110, section 12.5.3).
//!
//! What cannot be read is not accepted: a body that the client may not understand is worse than a longer one.

use crate::config::model::Coding;
use crate::proxy::head::Tokens;

/// A weight in thousandths.
type Weight = u16;

/// The coding that the client weighs most; among equals, the first of ours. `None` is no coding: also when the
/// client does not want that either, for an answer as it is serves it better than none.
pub(crate) fn choose<'v>(values: impl Iterator<Item = &'v [u8]>, ours: &[Coding]) -> Option<Coding> {
    let mut said: [Option<Weight>; 3] = [None; 3];
    let (mut identity, mut others) = (None, None);
    for member in values.flat_map(Tokens::new) {
        let (name, weight) = split(member);
        let slot = if name == b"*" {
            &mut others
        } else if name.eq_ignore_ascii_case(b"identity") {
            &mut identity
        } else if let Some(coding) = known(name) {
            &mut said[coding as usize]
        } else {
            continue;
        };
        // Said twice, the first word counts.
        slot.get_or_insert(weight);
    }
    let mut best: Option<(Coding, Weight)> = None;
    for &coding in ours {
        let weight = said[coding as usize].or(others).unwrap_or(0);
        if weight > best.map_or(0, |(_, most)| most) {
            best = Some((coding, weight));
        }
    }
    best.filter(|(_, weight)| *weight >= identity.unwrap_or(0)).map(|(coding, _)| coding)
}

/// `x-gzip` is gzip (RFC 9110, section 8.4.1.3).
fn known(name: &[u8]) -> Option<Coding> {
    let name = if name.eq_ignore_ascii_case(b"x-gzip") { b"gzip" } else { name };
    Coding::ALL.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.name().as_bytes()))
}

/// A member's name and weight: `gzip;q=0.5`.
fn split(member: &[u8]) -> (&[u8], Weight) {
    let mut parts = member.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().unwrap_or_default();
    let mut weights = parts.filter_map(|part| part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q=")));
    (name, weights.next().map_or(1000, |text| weight(text).unwrap_or(0)))
}

/// `0`, `0.5`, `1.000`: one digit and up to three more.
fn weight(text: &[u8]) -> Option<Weight> {
    let (whole, rest) = text.split_first()?;
    let digits = match rest {
        [] => &[][..],
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut thousandths = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    for (digit, place) in digits.iter().zip([100, 10, 1]) {
        thousandths += Weight::from(digit.is_ascii_digit().then(|| digit - b'0')?) * place;
    }
    (thousandths <= 1000).then_some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Coding::{Brotli, Gzip, Zstd};
    use proptest::prelude::*;

    fn chosen(value: &str) -> Option<Coding> {
        choose(std::iter::once(value.as_bytes()), &Coding::ALL)
    }

    #[test]
    fn the_client_weighs_and_we_prefer_among_equals() {
        let table = [
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("gzip, deflate, br", Some(Brotli)),
            ("GZIP", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("zstd;q=0.5, gzip", Some(Gzip)),
            ("zstd; q=0.5, gzip ;q=0.7, br;Q=0.6", Some(Gzip)),
            ("zstd;q=0, *", Some(Brotli)),
            ("*;q=0, gzip;q=0.001", Some(Gzip)),
            ("*", Some(Zstd)),
            ("*;q=0", None),
            ("", None),
            ("identity", None),
            ("identity;q=0", None),
            ("identity;q=0, gzip;q=0.1", Some(Gzip)),
            ("identity, gzip;q=0.9", None),
            ("identity, gzip", Some(Gzip)),
            ("deflate, compress", None),
            ("gzip;q=0", None),
            ("gzip;q=1.001", None),
            ("gzip;q=2", None),
            ("gzip;q=", None),
            ("gzip;q=0.1234", None),
            ("gzip;q=0., gzip;q=1", None),
            ("gzip;q=1.000", Some(Gzip)),
            ("gzip;level=9", Some(Gzip)),
            ("gzipped, br2", None),
        ];
        for (value, expected) in table {
            assert_eq!(chosen(value), expected, "{value}");
        }
        let fields = [&b"zstd;q=0.1"[..], b"gzip"];
        assert_eq!(choose(fields.into_iter(), &Coding::ALL), Some(Gzip), "over all fields");
        assert_eq!(choose([&b"zstd, gzip"[..]].into_iter(), &[Gzip]), Some(Gzip), "ours only");
    }

    proptest! {
        #[test]
        fn no_field_makes_it_choose_what_was_not_offered(value in ".{0,80}", ours in 0usize..3) {
            let ours = &Coding::ALL[ours..=ours];
            if let Some(coding) = choose(std::iter::once(value.as_bytes()), ours) {
                prop_assert!(ours.contains(&coding));
                let lower = value.to_ascii_lowercase();
                prop_assert!(lower.contains(coding.name()) || lower.contains('*'));
            }
        }

        #[test]
        fn the_highest_weight_wins(weights in proptest::array::uniform3(0u16..=1000)) {
            let value = Coding::ALL.iter().zip(weights)
                .map(|(coding, w)| format!("{};q={}.{:03}", coding.name(), w / 1000, w % 1000))
                .collect::<Vec<_>>().join(", ");
            let most = weights.into_iter().max().unwrap();
            let first = weights.iter().position(|w| *w == most).unwrap();
            prop_assert_eq!(chosen(&value), (most > 0).then(|| Coding::ALL[first]));
        }
    }
}
