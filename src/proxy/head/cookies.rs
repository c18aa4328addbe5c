//! Reading and thinning `Cookie` fields without touching the cookies that stay.

/// The cookies of one field value: name and value, without the white space around them. A part without `=` is
/// no cookie and is skipped.
pub fn cookie_pairs(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    Parts(Some(value)).filter_map(split_pair)
}

/// What becomes of a cookie on its way to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate<'a> {
    /// It stays, byte for byte.
    Keep,
    /// It goes.
    Drop,
    /// Only this of its value stays.
    Trim(&'a [u8]),
}

/// Appends the field value with the cookies that `fate` leaves, by name and value; those that are kept stay byte for
/// byte, in order and with their own separators. Returns whether anything is left.
pub fn keep_cookies<'v>(
    value: &'v [u8],
    fate: &dyn Fn(&'v [u8], &'v [u8]) -> Fate<'v>,
    out: &mut Vec<u8>,
) -> bool {
    let of = |part: &'v [u8]| split_pair(part).map_or(Fate::Keep, |(name, value)| fate(name, value));
    let parts = Parts(Some(value));
    if parts.clone().all(|part| of(part) == Fate::Keep) {
        out.extend_from_slice(value);
        return true;
    }
    let start = out.len();
    for (part, fate) in parts.map(|part| (part, of(part))).filter(|(_, fate)| *fate != Fate::Drop) {
        let first = out.len() == start;
        if !first {
            out.push(b';');
        }
        let part = if first { part.trim_ascii_start() } else { part };
        match (fate, memchr::memchr(b'=', part)) {
            (Fate::Trim(value), Some(equals)) => {
                out.extend_from_slice(&part[..=equals]);
                out.extend_from_slice(value);
            }
            _ => out.extend_from_slice(part),
        }
    }
    if out[start..].iter().all(|byte| matches!(byte, b' ' | b'\t' | b';')) {
        out.truncate(start);
    }
    out.len() > start
}

/// What stands between the semicolons. A search for each, as cookies are long: byte by byte it was most of what a
/// request with a sticky cookie cost to write.
#[derive(Clone)]
struct Parts<'v>(Option<&'v [u8]>);

impl<'v> Iterator for Parts<'v> {
    type Item = &'v [u8];

    fn next(&mut self) -> Option<&'v [u8]> {
        let rest = self.0?;
        let Some(at) = memchr::memchr(b';', rest) else { return self.0.take() };
        self.0 = Some(&rest[at + 1..]);
        Some(&rest[..at])
    }
}

fn split_pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = memchr::memchr(b'=', part)?;
    Some((part[..equals].trim_ascii(), part[equals + 1..].trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(goes: bool) -> Fate<'static> {
        if goes { Fate::Drop } else { Fate::Keep }
    }

    fn thinned(value: &str, names: &[&str]) -> Option<String> {
        let mut out = b"Cookie: ".to_vec();
        let left = keep_cookies(
            value.as_bytes(),
            &|name, _| fate(names.iter().any(|n| n.as_bytes() == name)),
            &mut out,
        );
        assert_eq!(left, out.len() > 8 || value.is_empty());
        left.then(|| String::from_utf8(out[8..].to_vec()).unwrap())
    }

    #[test]
    fn cookies_are_taken_out_and_the_others_stay_byte_for_byte() {
        let table: &[(&str, &[&str], Option<&str>)] = &[
            ("a=1; lb=x; b=2", &["lb"], Some("a=1; b=2")),
            ("lb=x; a=1;b=2", &["lb"], Some("a=1;b=2")),
            ("a=1;  b=\"q=r\"; lb=x", &["lb"], Some("a=1;  b=\"q=r\"")),
            ("lb=x", &["lb"], None),
            ("lb=x;", &["lb"], None),
            ("lb=x; lb=y ;lb = z", &["lb"], None),
            ("lb=x; m=y; n=z", &["m", "lb"], Some("n=z")),
            ("; a=1;; b", &["lb"], Some("; a=1;; b")),
            ("LB=x; lbx=1; xlb=2; lb", &["lb"], Some("LB=x; lbx=1; xlb=2; lb")),
            ("a=lb=1; lb=", &["lb"], Some("a=lb=1")),
            ("", &["lb"], Some("")),
        ];
        for &(value, names, expected) in table {
            assert_eq!(thinned(value, names).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn values_are_trimmed_and_the_others_stay_byte_for_byte() {
        let table = [
            ("S=ab.cd", "S=ab"),
            ("a=1.2; S=ab.cd;b=3.4", "a=1.2; S=ab;b=3.4"),
            ("lb=1; S=ab.cd ; b", "S=ab; b"),
            ("S = ab.cd; S=x; T=S=ab.cd", "S =ab; S=x; T=S=ab.cd"),
        ];
        for (value, expected) in table {
            let mut out = Vec::new();
            let fate = |name: &[u8], value: &'static [u8]| match name {
                b"S" => value.strip_suffix(b".cd").map_or(Fate::Keep, Fate::Trim),
                b"lb" => Fate::Drop,
                _ => Fate::Keep,
            };
            let left = keep_cookies(value.as_bytes(), &fate, &mut out);
            assert!(left);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{value}");
        }
    }

    proptest::proptest! {
        #[test]
        fn other_cookies_are_never_touched(before in "[ -:<-~]{0,30}", after in "[ -~]{0,40}", value in "[a-z]{0,9}") {
            let text = format!("{before}; S={value}.m;{after}");
            let others = |text: &[u8]| -> Vec<(Vec<u8>, Vec<u8>)> {
                cookie_pairs(text).filter(|(name, _)| *name != b"S").map(|(n, v)| (n.into(), v.into())).collect()
            };
            let mut out = Vec::new();
            keep_cookies(text.as_bytes(), &|name, _| if name == b"S" { Fate::Trim(b"t") } else { Fate::Keep }, &mut out);
            proptest::prop_assert_eq!(others(&out), others(text.as_bytes()));
            out.clear();
            keep_cookies(text.as_bytes(), &|name, _| fate(name == b"S"), &mut out);
            proptest::prop_assert_eq!(others(&out), others(text.as_bytes()));
        }
    }

    #[test]
    fn pairs_are_split_at_the_first_equals() {
        let pairs: Vec<_> = cookie_pairs(b"a=1; b==2;c ;d=; =e").collect();
        let expected: [(&[u8], &[u8]); 4] = [(b"a", b"1"), (b"b", b"=2"), (b"d", b""), (b"", b"e")];
        assert_eq!(pairs, expected);
    }
}
