//! The trace that a request belongs to: `traceparent` of W3C Trace Context.
//!
//! Where nothing is traced the field passes to the server as it came, and only its trace's number is read, so that a
//! line of the access log can be found from a trace and the other way.

use data_encoding::HEXLOWER;

use super::head::{Known, RequestHead};

/// Bytes of `00-TRACE-SPAN-FLAGS`.
const LENGTH: usize = 55;
/// The bit of the flags that says that the trace is sampled.
const SAMPLED: u8 = 1;

/// Where a request stands in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceContext {
    /// The trace.
    pub(crate) trace: [u8; 16],
    /// The span.
    pub(crate) span: [u8; 8],
    /// Whether spans of it are wanted.
    pub(crate) sampled: bool,
}

/// The number of a request's trace, 32 digits; none where there is no field or it is no such field.
pub(crate) fn trace_of(head: &RequestHead) -> Option<[u8; 32]> {
    TraceContext::of(head).map(|context| context.trace_digits())
}

impl TraceContext {
    /// What the sender says.
    pub(crate) fn of(head: &RequestHead) -> Option<Self> {
        head.get_known(Known::Traceparent).and_then(Self::read)
    }

    /// `version-trace-parent-flags` in hexadecimal; a later version may have more behind it (section 3.2.4).
    fn read(value: &[u8]) -> Option<Self> {
        let value = value.trim_ascii();
        let (first, rest) = value.split_at_checked(LENGTH)?;
        let dashes = [2, 35, 52].iter().all(|at| first[*at] == b'-');
        let version = number::<1>(&first[..2])?;
        let whole = rest.is_empty() || (version != [0] && rest[0] == b'-');
        let context = Self {
            trace: number(&first[3..35])?,
            span: number(&first[36..52])?,
            sampled: number::<1>(&first[53..])?[0] & SAMPLED != 0,
        };
        let valid =
            dashes && whole && version != [0xff] && context.trace != [0; 16] && context.span != [0; 8];
        valid.then_some(context)
    }

    /// The number of the trace, as it is written.
    pub(crate) fn trace_digits(&self) -> [u8; 32] {
        let mut digits = [0; 32];
        HEXLOWER.encode_mut(&self.trace, &mut digits);
        digits
    }

    /// Appends the line for whoever is asked next.
    pub(crate) fn write_line(&self, out: &mut Vec<u8>) {
        let mut span = [0; 16];
        HEXLOWER.encode_mut(&self.span, &mut span);
        out.extend_from_slice(b"traceparent: 00-");
        out.extend_from_slice(&self.trace_digits());
        out.push(b'-');
        out.extend_from_slice(&span);
        out.extend_from_slice(if self.sampled { b"-01\r\n" } else { b"-00\r\n" });
    }
}

/// Lower-case digits, and nothing else.
fn number<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    HEXLOWER.decode_mut(digits, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_fields_name_a_trace() {
        const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let check = |value: &str, expected: bool| {
            let found = TraceContext::read(value.as_bytes()).map(|context| context.trace_digits());
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

    #[test]
    fn what_is_written_is_read_again() {
        for line in [
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n",
            "traceparent: 00-00000000000000000000000000000001-0000000000000001-00\r\n",
        ] {
            let value = line.trim_start_matches("traceparent:").as_bytes();
            let context = TraceContext::read(value).unwrap();
            assert_eq!(context.sampled, line.contains("-01\r"));
            let mut out = Vec::new();
            context.write_line(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), line);
        }
        // Other bits of the flags are nothing of ours.
        let flags = |flags: &str| {
            let value = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            TraceContext::read(value.as_bytes()).map(|context| context.sampled)
        };
        assert_eq!((flags("03"), flags("02"), flags("zz")), (Some(true), Some(false), None));
    }
}
