//! Where the frames of a WebSocket begin and end (RFC 6455, section 5.2). Pure: bytes go by, positions come out.
//!
//! Headers are read, payloads are only counted: nothing is unmasked, joined or limited, and the bits that
//! extensions use are left to them. What breaks the framing itself is noticed once; from then on the stream has
//! no boundaries, and whoever follows it must leave it alone.

/// The longest header: two bytes, eight of length, four of mask.
const LONGEST_HEAD: usize = 14;
const CLOSE: u8 = 0x8;
const PONG: u8 = 0xA;
/// What a Close without a code means (RFC 6455, section 7.1.5).
const NO_CODE: u16 = 1005;

/// Who sends: a client masks, a server does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Every frame is masked.
    Client,
    /// No frame is masked.
    Server,
}

/// Follows the frames of one direction.
#[derive(Debug, Clone, Copy)]
pub struct Frames {
    sender: Sender,
    /// The header at hand, as far as it has come.
    head: [u8; LONGEST_HEAD],
    have: u8,
    /// Payload bytes of the frame at hand that are still to come.
    left: u64,
    opcode: u8,
    fin: bool,
    mask: [u8; 4],
    /// The first two bytes of a Close, as they come.
    code: [u8; 2],
    code_have: u8,
    close: Option<u16>,
    messages: u64,
    in_message: bool,
    broken: bool,
}

/// Whether bytes at a boundary are the pong that was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is, and so many bytes long.
    Yes(usize),
    /// As far as it has come.
    Perhaps,
    /// Something else.
    No,
}

/// What a header says.
struct Head {
    length: usize,
    payload: u64,
    mask: [u8; 4],
}

impl Frames {
    /// At the first boundary of a stream.
    pub fn new(sender: Sender) -> Self {
        Self {
            sender,
            head: [0; LONGEST_HEAD],
            have: 0,
            left: 0,
            opcode: 0,
            fin: false,
            mask: [0; 4],
            code: [0; 2],
            code_have: 0,
            close: None,
            messages: 0,
            in_message: false,
            broken: false,
        }
    }

    /// These bytes went by.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.broken {
            bytes = &bytes[self.step(bytes)..];
        }
    }

    /// Takes bytes up to the end of a header or of a frame; says how many. All of them once the framing is broken.
    pub fn step(&mut self, bytes: &[u8]) -> usize {
        if self.broken {
            return bytes.len();
        }
        if self.left > 0 {
            return self.payload(bytes);
        }
        if self.have == 0
            && let Some(head) = parse(bytes)
        {
            self.begin(bytes[0], bytes[1], &head);
            return head.length;
        }
        let mut taken = 0;
        for &byte in bytes {
            self.head[usize::from(self.have)] = byte;
            self.have += 1;
            taken += 1;
            if let Some(head) = parse(&self.head[..usize::from(self.have)]) {
                self.have = 0;
                self.begin(self.head[0], self.head[1], &head);
                break;
            }
        }
        taken
    }

    /// Whether the last byte that went by ended a frame, or none went by yet.
    pub fn at_boundary(&self) -> bool {
        self.left == 0 && self.have == 0 && !self.broken
    }

    /// Whether this is a boundary, and not one between the fragments of a message.
    pub fn between_messages(&self) -> bool {
        self.at_boundary() && !self.in_message
    }

    /// Whether the bytes were no WebSocket frames.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// The code of the Close that went by, once it did.
    pub fn close(&self) -> Option<u16> {
        self.close
    }

    /// Messages that went by, control frames aside.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Whether the frame that begins with `bytes`, at a boundary, is a Close.
    pub fn begins_close(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|first| first & 0x0F == CLOSE)
    }

    /// Whether the frame that begins with `bytes`, at a boundary, is a pong with this payload.
    pub fn begins_pong(&self, bytes: &[u8], payload: [u8; 8]) -> Answer {
        let masked = self.sender == Sender::Client;
        let mut expected = [0; LONGEST_HEAD];
        let head = if masked { 6 } else { 2 };
        expected[0] = 0x80 | PONG;
        expected[1] = if masked { 0x80 | 8 } else { 8 };
        for (expected, byte) in expected[..head].iter_mut().zip(bytes).skip(2) {
            // Whatever the mask is.
            *expected = *byte;
        }
        for (at, byte) in payload.into_iter().enumerate() {
            expected[head + at] = if masked { byte ^ expected[2 + at % 4] } else { byte };
        }
        let whole = head + payload.len();
        let seen = bytes.len().min(whole);
        match expected[..seen] == bytes[..seen] {
            true if seen == whole => Answer::Yes(whole),
            true => Answer::Perhaps,
            false => Answer::No,
        }
    }

    fn begin(&mut self, first: u8, second: u8, head: &Head) {
        self.opcode = first & 0x0F;
        self.fin = first & 0x80 != 0;
        self.left = head.payload;
        self.mask = head.mask;
        let masked = second & 0x80 != 0;
        let control = self.opcode >= CLOSE;
        let sound = masked == (self.sender == Sender::Client)
            && matches!(self.opcode, 0..=2 | CLOSE..=PONG)
            && (!control || (self.fin && head.payload <= 125))
            && head.payload <= i64::MAX as u64;
        if !sound {
            self.broken = true;
            self.left = 0;
            return;
        }
        self.code_have = 0;
        if !control {
            self.in_message = true;
        }
        if self.left == 0 {
            self.end();
        }
    }

    fn payload(&mut self, bytes: &[u8]) -> usize {
        let n = self.left.min(bytes.len() as u64) as usize;
        if self.opcode == CLOSE {
            for &byte in bytes[..n].iter().take(usize::from(2 - self.code_have)) {
                self.code[usize::from(self.code_have)] = byte ^ self.mask[usize::from(self.code_have)];
                self.code_have += 1;
            }
        }
        self.left -= n as u64;
        if self.left == 0 {
            self.end();
        }
        n
    }

    fn end(&mut self) {
        if self.opcode == CLOSE && self.close.is_none() {
            self.close = Some(if self.code_have == 2 { u16::from_be_bytes(self.code) } else { NO_CODE });
        } else if self.opcode < CLOSE && self.fin {
            self.messages += 1;
            self.in_message = false;
        }
    }
}

/// The header at the front of `bytes`, when it is whole.
fn parse(bytes: &[u8]) -> Option<Head> {
    let &[_, second, ref rest @ ..] = bytes else { return None };
    let (payload, rest) = match second & 0x7F {
        126 => rest.split_first_chunk().map(|(size, rest)| (u64::from(u16::from_be_bytes(*size)), rest))?,
        127 => rest.split_first_chunk().map(|(size, rest)| (u64::from_be_bytes(*size), rest))?,
        short => (u64::from(short), rest),
    };
    let (mask, rest) = match second & 0x80 {
        0 => ([0; 4], rest),
        _ => rest.split_first_chunk().map(|(mask, rest)| (*mask, rest))?,
    };
    Some(Head { length: bytes.len() - rest.len(), payload, mask })
}

#[cfg(test)]
mod tests;
