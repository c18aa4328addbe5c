//! The control frames that we write ourselves.

/// The longest payload of a control frame (RFC 6455, section 5.5), without a Close's code.
const LONGEST_REASON: usize = 123;

/// The server or the balancer is going away (RFC 6455, section 7.4.1).
pub(crate) const GOING_AWAY: u16 = 1001;

/// A Close; masked when it goes to a server. A reason that is too long is cut at a character.
pub(crate) fn close(code: u16, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut end = reason.len().min(LONGEST_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    control(0x8, &payload, mask)
}

/// A ping.
pub(crate) fn ping(payload: [u8; 8], mask: Option<[u8; 4]>) -> Vec<u8> {
    control(0x9, &payload, mask)
}

/// A mask that no server can foresee.
pub(crate) fn mask() -> Option<[u8; 4]> {
    Some(fastrand::u32(..).to_ne_bytes())
}

fn control(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut frame = vec![0x80 | opcode, masked | payload.len() as u8];
    frame.extend(mask.into_iter().flatten());
    let mask = mask.unwrap_or_default();
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    frame
}

#[cfg(test)]
mod tests {
    use super::super::{Frames, Sender};
    use super::*;

    #[test]
    fn what_we_write_is_a_frame() {
        let check = |sender, bytes: &[u8], code| {
            let mut frames = Frames::new(sender);
            frames.pass(bytes);
            assert!(frames.at_boundary(), "{bytes:?}");
            assert_eq!(frames.close(), code);
        };
        check(Sender::Server, &close(1012, "kernel update", None), Some(1012));
        check(Sender::Client, &close(1001, "", mask()), Some(1001));
        check(Sender::Server, &ping([1; 8], None), None);
        check(Sender::Client, &ping([1; 8], mask()), None);
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let frame = close(1012, &"ü".repeat(200), None);
        assert_eq!(frame[1], 2 + 122);
        assert!(std::str::from_utf8(&frame[4..]).is_ok());
    }
}
