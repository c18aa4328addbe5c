//! Reading and thinning `Cookie` fields without touching the cookies that stay.

/// The cookies of one field value: name and value, without the white space around them. A part without `=` is
/// no cookie and is skipped.
pub fn cookie_pairs(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    value.split(|&byte| byte == b';').filter_map(split_pair)
}

/// Appends the field value without the cookies that `drop` names; the others stay byte for byte, in order and
/// with their own separators. Returns whether anything is left.
pub fn keep_cookies(value: &[u8], drop: &dyn Fn(&[u8]) -> bool, out: &mut Vec<u8>) -> bool {
    let goes = |part: &&[u8]| split_pair(part).is_some_and(|(name, _)| drop(name));
    let parts = value.split(|&byte| byte == b';');
    if !parts.clone().any(|part| goes(&part)) {
        out.extend_from_slice(value);
        return true;
    }
    let start = out.len();
    for part in parts.filter(|part| !goes(part)) {
        if out.len() == start {
            out.extend_from_slice(part.trim_ascii_start());
        } else {
            out.push(b';');
            out.extend_from_slice(part);
        }
    }
    if out[start..].iter().all(|byte| matches!(byte, b' ' | b'\t' | b';')) {
        out.truncate(start);
    }
    out.len() > start
}

fn split_pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = memchr::memchr(b'=', part)?;
    Some((part[..equals].trim_ascii(), part[equals + 1..].trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thinned(value: &str, names: &[&str]) -> Option<String> {
        let mut out = b"Cookie: ".to_vec();
        let left =
            keep_cookies(value.as_bytes(), &|name| names.iter().any(|n| n.as_bytes() == name), &mut out);
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
    fn pairs_are_split_at_the_first_equals() {
        let pairs: Vec<_> = cookie_pairs(b"a=1; b==2;c ;d=; =e").collect();
        let expected: [(&[u8], &[u8]); 4] = [(b"a", b"1"), (b"b", b"=2"), (b"d", b""), (b"", b"e")];
        assert_eq!(pairs, expected);
    }
}
