//! Boundaries as a writer made them, however the bytes are split, and bytes that no writer made.

use proptest::prelude::*;

use super::*;

/// A frame as a peer writes it.
fn frame(sender: Sender, opcode: u8, fin: bool, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let masked = if sender == Sender::Client { 0x80 } else { 0 };
    let mut out = vec![u8::from(fin) << 7 | opcode];
    match payload.len() {
        size @ 0..=125 => out.push(masked | size as u8),
        size @ 126..=0xFFFF => {
            out.push(masked | 126);
            out.extend((size as u16).to_be_bytes());
        }
        size => {
            out.push(masked | 127);
            out.extend((size as u64).to_be_bytes());
        }
    }
    if masked > 0 {
        out.extend(mask);
        out.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    } else {
        out.extend(payload);
    }
    out
}

/// Where the bytes `0..n` of a stream leave its follower, for every `n`.
fn boundaries(frames: &mut Frames, stream: &[u8], splits: &[usize]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut splits = splits.iter().copied().cycle();
    while at < stream.len() {
        let piece = splits.next().unwrap_or(1).clamp(1, stream.len() - at);
        let mut rest = &stream[at..at + piece];
        while !rest.is_empty() {
            let n = frames.step(rest);
            assert!(n > 0 && n <= rest.len());
            rest = &rest[n..];
            at += n;
            if frames.at_boundary() {
                found.push(at);
            }
        }
    }
    found
}

fn kinds() -> impl Strategy<Value = (u8, bool, usize)> {
    prop_oneof![
        (0u8..=2, any::<bool>(), prop_oneof![0usize..200, 100usize..70_000]),
        (9u8..=10, Just(true), 0usize..=125),
    ]
}

proptest! {
    #[test]
    fn any_split_finds_the_boundaries_that_the_writer_made(
        kinds in prop::collection::vec(kinds(), 1..12),
        splits in prop::collection::vec(1usize..5000, 1..20),
        mask: [u8; 4],
        from_client: bool,
    ) {
        let sender = if from_client { Sender::Client } else { Sender::Server };
        let (mut stream, mut ends, mut messages) = (Vec::new(), Vec::new(), 0);
        for (opcode, fin, size) in kinds {
            stream.extend(frame(sender, opcode, fin, &vec![7; size], mask));
            ends.push(stream.len());
            messages += u64::from(opcode < 8 && fin);
        }
        for splits in [&splits[..], &[1], &[usize::MAX]] {
            let mut frames = Frames::new(sender);
            prop_assert_eq!(&boundaries(&mut frames, &stream, splits), &ends);
            prop_assert_eq!(frames.messages(), messages);
            prop_assert!(!frames.is_broken());
            let mut whole = Frames::new(sender);
            whole.pass(&stream);
            prop_assert!(whole.at_boundary());
            prop_assert_eq!(whole.messages(), messages);
        }
    }

    #[test]
    fn any_bytes_at_all_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        splits in prop::collection::vec(1usize..50, 1..8),
        from_client: bool,
    ) {
        let sender = if from_client { Sender::Client } else { Sender::Server };
        let (mut by_pieces, mut whole) = (Frames::new(sender), Frames::new(sender));
        boundaries(&mut by_pieces, &bytes, &splits);
        whole.pass(&bytes);
        prop_assert_eq!(by_pieces.is_broken(), whole.is_broken());
        prop_assert_eq!(by_pieces.at_boundary(), whole.at_boundary());
        prop_assert_eq!(by_pieces.messages(), whole.messages());
        prop_assert_eq!(by_pieces.close(), whole.close());
    }
}

#[test]
fn a_close_tells_its_code() {
    let check = |sender, payload: &[u8], code: u16| {
        let bytes = frame(sender, 8, true, payload, [1, 2, 3, 4]);
        let mut frames = Frames::new(sender);
        for byte in bytes {
            assert_eq!(frames.close(), None);
            frames.pass(&[byte]);
        }
        assert_eq!(frames.close(), Some(code));
        assert_eq!(frames.messages(), 0);
    };
    for sender in [Sender::Client, Sender::Server] {
        check(sender, b"", 1005);
        check(sender, &1001u16.to_be_bytes(), 1001);
        check(sender, b"\x03\xf4come back", 1012);
    }
}

#[test]
fn a_boundary_between_fragments_is_not_one_between_messages() {
    let mut frames = Frames::new(Sender::Server);
    assert!(frames.between_messages());
    let state = |frames: &Frames| (frames.at_boundary(), frames.between_messages(), frames.messages());
    frames.pass(&frame(Sender::Server, 1, false, b"one ", [0; 4]));
    assert_eq!(state(&frames), (true, false, 0));
    frames.pass(&frame(Sender::Server, 9, true, b"ping", [0; 4]));
    assert_eq!(state(&frames), (true, false, 0), "a control frame within the message");
    frames.pass(&frame(Sender::Server, 0, true, b"two", [0; 4]));
    assert_eq!(state(&frames), (true, true, 1));
    frames.pass(&[0x81]);
    assert_eq!(state(&frames), (false, false, 1), "within a header");
}

#[test]
fn what_is_no_frame_is_noticed() {
    let check = |sender, bytes: &[u8], broken: bool| {
        let mut frames = Frames::new(sender);
        frames.pass(bytes);
        assert_eq!(frames.is_broken(), broken, "{bytes:?}");
        if broken {
            assert!(!frames.at_boundary());
            assert_eq!(frames.step(&[0; 5]), 5);
        }
    };
    let huge = [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0];
    check(Sender::Server, &[0x81, 0], false);
    check(Sender::Server, &[0xF1, 0], false); // extension bits are left to extensions
    check(Sender::Server, &[0x81, 0x80, 0, 0, 0, 0], true); // a server does not mask
    check(Sender::Client, &[0x81, 0], true); // a client does
    check(Sender::Server, &[0x83, 0], true); // no such opcode
    check(Sender::Server, &[0x8B, 0], true);
    check(Sender::Server, &[0x09, 0], true); // a control frame in fragments
    check(Sender::Server, &[0x89, 126, 0, 126], true); // a control frame too long
    check(Sender::Server, &huge, true);
    check(Sender::Server, b"HTTP/1.1 200 OK\r\n", true);
}

#[test]
fn our_own_pong_is_known_from_others() {
    let payload = *b"\0lbd\x01\x02\x03\x04";
    for sender in [Sender::Client, Sender::Server] {
        let frames = Frames::new(sender);
        let ours = frame(sender, 10, true, &payload, [9, 8, 7, 6]);
        for n in 0..ours.len() {
            assert_eq!(frames.begins_pong(&ours[..n], payload), Answer::Perhaps, "{n}");
        }
        let mut more = ours.clone();
        more.push(0x81);
        assert_eq!(frames.begins_pong(&ours, payload), Answer::Yes(ours.len()));
        assert_eq!(frames.begins_pong(&more, payload), Answer::Yes(ours.len()));
        let theirs = frame(sender, 10, true, b"\0lbd\x01\x02\x03\x05", [9, 8, 7, 6]);
        assert_eq!(frames.begins_pong(&theirs, payload), Answer::No);
        assert_eq!(frames.begins_pong(&frame(sender, 10, true, b"", [0; 4]), payload), Answer::No);
        assert_eq!(frames.begins_pong(&frame(sender, 9, true, &payload, [0; 4]), payload), Answer::No);
    }
}
