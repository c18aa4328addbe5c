//! The trace that a request belongs to: `traceparent` of W3C Trace Context.
//!
//! The field passes to the server as it came. Here only its trace's number is read, so that a line of the access log
//! can be found from a trace and the other way.

use super::head::RequestHead;

/// The digits of a trace's number.
const TRACE: std::ops::Range<usize> = 3..35;

/// The number of a request's trace, 32 digits; none where there is no field or it is no such field.
pub(crate) fn trace_of(head: &RequestHead) -> Option<[u8; 32]> {
    let mut found = None;
    head.any("traceparent", &mut |value| {
        found = read(value);
        true
    });
    found
}

/// `version-trace-parent-flags` in hexadecimal; a later version may have more behind it (section 3.2.4).
fn read(value: &[u8]) -> Option<[u8; 32]> {
    let value = value.trim_ascii();
    let (first, rest) = value.split_at_checked(55)?;
    let dashes = [2, 35, 52].iter().all(|at| first[*at] == b'-');
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digits = first.iter().enumerate().all(|(at, byte)| [2, 35, 52].contains(&at) || digit(byte));
    let version = &first[..2];
    let whole = rest.is_empty() || (version != b"00" && rest[0] == b'-');
    let trace: [u8; 32] = first[TRACE].try_into().ok()?;
    let zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
    let valid = dashes && digits && whole && version != b"ff" && !zero(&trace) && !zero(&first[36..52]);
    valid.then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_fields_name_a_trace() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let check = |value: &str, expected: bool| {
            let found = read(value.as_bytes());
            assert_eq!(
                found.as_ref().map(|trace| &trace[..]),
                expected.then_some(TRACE.as_bytes()),
                "{value}"
            );
        };
        check(&format!("00-{TRACE}-00f067aa0ba902b7-01"), true);
        check(&format!(" 00-{TRACE}-00f067aa0ba902b7-00 "), true);
        check(&format!("cc-{TRACE}-00f067aa0ba902b7-01-more"), true);
        for bad in [
            String::new(),
            TRACE.to_owned(),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00_{TRACE}-00f067aa0ba902b7-01"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01more"),
        ] {
            check(&bad, false);
        }
    }
}
