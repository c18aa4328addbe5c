//! Reading and thinning `Cookie` fields without touching the cookies that stay.

/// The cookies of one field value: name and value, without the white space around them. A part without `=` is
/// no cookie and is skipped.
pub fn cookie_pairs(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    value.split(|&byte| byte == b';').filter_map(split_pair)
}

/// Appends the field value without the cookies that `drop` names; the others stay byte for byte, in order and
/// with their own separators. Returns whether anything is left.
pub fn keep_cookies(value: &[u8], drop: &dyn Fn(&[u8]) -> bool, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    for part in value.split(|&byte| byte == b';') {
        if split_pair(part).is_some_and(|(name, _)| drop(name)) {
            continue;
        }
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
