//! Reading and thinning `Cookie` fields without touching the cookies that stay.

use super::find;

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

/// Offers the values of the cookies of exactly that name in one field value, until `test` takes one. A cookie is taken
/// apart only if it begins with the name.
pub(super) fn any_cookie(value: &[u8], name: &[u8], test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    Parts(Some(value))
        .filter(|part| part.trim_ascii_start().starts_with(name))
        .filter_map(split_pair)
        .any(|(key, value)| key == name && test(value))
}

/// Appends the field value with the cookies that `fate` leaves, by name and value; those that are kept stay byte for
/// byte, in order and with their own separators. Returns whether anything is left.
pub fn keep_cookies<'v>(
    value: &'v [u8],
    fate: &dyn Fn(&'v [u8], &'v [u8]) -> Fate<'v>,
    out: &mut Vec<u8>,
) -> bool {
    let start = out.len();
    let append = |text: &[u8], out: &mut Vec<u8>| {
        if out.len() == start {
            let separates = |byte: &u8| byte.is_ascii_whitespace() || *byte == b';';
            let first = text.iter().position(|byte| !separates(byte)).unwrap_or(text.len());
            out.extend_from_slice(&text[first..]);
        } else {
            out.push(b';');
            out.extend_from_slice(text);
        }
    };
    // Those that stay and stand side by side are one copy.
    let (mut at, mut kept_from) = (0, Some(0));
    for part in Parts(Some(value)) {
        let end = at + part.len();
        let pair = split_pair(part);
        match pair.map_or(Fate::Keep, |(name, value)| fate(name, value)) {
            Fate::Keep => kept_from = kept_from.or(Some(at)),
            goes_or_trimmed => {
                if let Some(from) = kept_from.take().filter(|from| *from < at) {
                    append(&value[from..at - 1], out);
                }
                if let (Fate::Trim(value), Some(equals)) = (goes_or_trimmed, find(part, b'=')) {
                    append(&part[..=equals], out);
                    out.extend_from_slice(value);
                }
            }
        }
        at = end + 1;
    }
    match kept_from {
        Some(0) => {
            out.extend_from_slice(value);
            return true;
        }
        Some(from) => append(&value[from..], out),
        None => {}
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
        let Some(at) = find(rest, b';') else { return self.0.take() };
        self.0 = Some(&rest[at + 1..]);
        Some(&rest[..at])
    }
}

fn split_pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = find(part, b'=')?;
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

    /// Part by part.
    fn kept_slowly(value: &[u8], fate: &dyn Fn(&[u8]) -> Fate<'static>) -> Option<Vec<u8>> {
        let of = |part: &[u8]| split_pair(part).map_or(Fate::Keep, |(name, _)| fate(name));
        let parts: Vec<&[u8]> = value.split(|byte| *byte == b';').collect();
        if parts.iter().all(|part| of(part) == Fate::Keep) {
            return Some(value.to_vec());
        }
        let mut out = Vec::new();
        for part in parts.into_iter().filter(|part| of(part) != Fate::Drop) {
            let part = if out.is_empty() { part.trim_ascii_start() } else { [b";", part].concat().leak() };
            match of(part.strip_prefix(b";").unwrap_or(part)) {
                Fate::Trim(value) => {
                    let equals = part.iter().position(|byte| *byte == b'=').expect("it has a value");
                    out.extend_from_slice(&part[..=equals]);
                    out.extend_from_slice(value);
                }
                _ => out.extend_from_slice(part),
            }
        }
        out.iter().any(|byte| !matches!(byte, b' ' | b'\t' | b';')).then_some(out)
    }

    proptest::proptest! {
        #[test]
        fn all_at_once_and_part_by_part_are_the_same(text in "[ abc=;]{0,24}") {
            let fate = |name: &[u8]| match name {
                b"a" => Fate::Drop,
                b"b" => Fate::Trim(b"x"),
                _ => Fate::Keep,
            };
            let mut out = Vec::new();
            let left = keep_cookies(text.as_bytes(), &|name, _| fate(name), &mut out);
            proptest::prop_assert_eq!(left.then_some(out), kept_slowly(text.as_bytes(), &fate));
            for name in [&b"a"[..], b"ab", b""] {
                let all: Vec<&[u8]> =
                    cookie_pairs(text.as_bytes()).filter(|(key, _)| *key == name).map(|(_, value)| value).collect();
                let mut offered = Vec::new();
                any_cookie(text.as_bytes(), name, &mut |value| {
                    offered.push(value.to_vec());
                    false
                });
                proptest::prop_assert_eq!(offered, all);
            }
        }
    }

    #[test]
    fn pairs_are_split_at_the_first_equals() {
        let pairs: Vec<_> = cookie_pairs(b"a=1; b==2;c ;d=; =e").collect();
        let expected: [(&[u8], &[u8]); 4] = [(b"a", b"1"), (b"b", b"=2"), (b"d", b""), (b"", b"e")];
        assert_eq!(pairs, expected);
    }
}
