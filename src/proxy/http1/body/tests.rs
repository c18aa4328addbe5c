//! Bodies whole, split at every byte, malformed, truncated and arbitrary.

use proptest::prelude::*;

use super::*;

/// Feeds the parts one after the other, each with what the step before left over; gives data and rest.
fn decode(mut decoder: BodyDecoder, parts: &[&[u8]]) -> Result<(Vec<u8>, bool, usize), BodyError> {
    let (mut data, mut consumed) = (Vec::new(), 0);
    for part in parts {
        let mut rest = *part;
        loop {
            let piece = decoder.next(rest)?;
            assert!(piece.data.end <= piece.consumed && piece.consumed <= rest.len());
            assert_eq!(piece.done, decoder.is_done());
            data.extend_from_slice(&rest[piece.data]);
            consumed += piece.consumed;
            rest = &rest[piece.consumed..];
            if piece.done || rest.is_empty() {
                break;
            }
        }
    }
    Ok((data, decoder.is_done(), consumed))
}

/// The result must be the same whole, cut in two at every place, and byte by byte.
fn check(make: fn() -> BodyDecoder, input: &[u8], expected: Result<(&str, bool, usize), BodyError>) {
    let expected = expected.map(|(data, done, consumed)| (data.as_bytes().to_vec(), done, consumed));
    let shown = String::from_utf8_lossy(input);
    assert_eq!(decode(make(), &[input]), expected, "whole: {shown:?}");
    for cut in 0..=input.len() {
        let (a, b) = input.split_at(cut);
        assert_eq!(decode(make(), &[a, b]), expected, "cut at {cut}: {shown:?}");
    }
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(decode(make(), &bytes), expected, "byte by byte: {shown:?}");
}

#[test]
fn a_length_takes_exactly_its_bytes() {
    check(|| BodyDecoder::length(5), b"helloGET /", Ok(("hello", true, 5)));
    check(|| BodyDecoder::length(5), b"hell", Ok(("hell", false, 4)));
    check(|| BodyDecoder::length(0), b"GET /", Ok(("", true, 0)));
    check(|| BodyDecoder::length(u64::MAX), b"abc", Ok(("abc", false, 3)));
}

#[test]
fn the_end_of_the_connection_ends_only_what_it_may_end() {
    check(BodyDecoder::close, b"all of it", Ok(("all of it", false, 9)));
    let mut decoder = BodyDecoder::close();
    assert_eq!(decoder.eof(), Ok(()));
    assert!(decoder.is_done());
    assert_eq!(BodyDecoder::length(0).eof(), Ok(()));
    assert_eq!(BodyDecoder::length(1).eof(), Err(BodyError::Truncated));
    for cut in 0.."5\r\nhello\r\n0\r\n\r\n".len() {
        let mut decoder = BodyDecoder::chunked();
        let mut rest = &b"5\r\nhello\r\n0\r\n\r\n"[..cut];
        while !rest.is_empty() {
            rest = &rest[decoder.next(rest).unwrap().consumed..];
        }
        assert_eq!(decoder.eof(), Err(BodyError::Truncated), "after {cut} bytes");
    }
}

#[test]
fn chunks_are_joined_and_what_follows_is_left_alone() {
    let table: &[(&str, &str, usize)] = &[
        ("0\r\n\r\nGET /", "", 5),
        ("5\r\nhello\r\n0\r\n\r\nGET", "hello", 15),
        ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", 26),
        ("00005\r\nhello\r\n000\r\n\r\n", "hello", 21),
        ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 20),
        ("a;x=y;z=\"q r\"\r\n0123456789\r\n0;last\r\n\r\n", "0123456789", 37),
        ("1;\r\nx\r\n0\r\n\r\n", "x", 12),
        ("1\r\n\n\r\n0\r\n\r\n", "\n", 11),
    ];
    for &(input, data, consumed) in table {
        check(BodyDecoder::chunked, input.as_bytes(), Ok((data, true, consumed)));
    }
}

#[test]
fn chunk_framing_with_a_second_reading_is_refused() {
    use BodyError::{BadChunkEnd, BadChunkExtension, BadChunkSize, BadTrailer};
    let table: &[(&str, BodyError)] = &[
        ("\r\n", BadChunkSize),
        (";x\r\n", BadChunkSize),
        ("5\nhello\r\n0\r\n\r\n", BadChunkSize),
        ("5\r\rhello", BadChunkSize),
        (" 5\r\nhello", BadChunkSize),
        ("5 \r\nhello", BadChunkSize),
        ("5 ;x\r\nhello", BadChunkSize),
        ("5\t\r\nhello", BadChunkSize),
        ("+5\r\nhello", BadChunkSize),
        ("-1\r\n", BadChunkSize),
        ("0x5\r\nhello", BadChunkSize),
        ("5_0\r\n", BadChunkSize),
        ("g\r\n", BadChunkSize),
        ("5,5\r\n", BadChunkSize),
        ("0000000000000005\r\nhello", BadChunkSize),
        ("ffffffffffffffff\r\n", BadChunkSize),
        ("5\r\nhello!\r\n", BadChunkEnd),
        ("5\r\nhello\n0\r\n\r\n", BadChunkEnd),
        ("5\r\nhello\r0\r\n\r\n", BadChunkEnd),
        ("5\r\nhello0\r\n\r\n", BadChunkEnd),
        ("5;x\ny\r\nhello", BadChunkExtension),
        ("5;x\0\r\nhello", BadChunkExtension),
        ("5;\x7f\r\nhello", BadChunkExtension),
        ("5;x\r\r\nhello", BadChunkSize),
        ("0\r\n\n", BadTrailer),
        ("0\r\n\rx", BadTrailer),
        ("0\r\nA: b\n\r\n", BadTrailer),
        ("0\r\nA: b\r\r\n\r\n", BadTrailer),
        ("0\r\nA : b\r\n\r\n", BadTrailer),
        ("0\r\n: b\r\n\r\n", BadTrailer),
        ("0\r\nA\r\n\r\n", BadTrailer),
        ("0\r\n A: folded\r\n\r\n", BadTrailer),
        ("0\r\nA: b\r\n folded\r\n\r\n", BadTrailer),
        ("0\r\nA: b\0\r\n\r\n", BadTrailer),
        ("0\r\nGET / HTTP/1.1\r\n\r\n", BadTrailer),
    ];
    for &(input, error) in table {
        check(BodyDecoder::chunked, input.as_bytes(), Err(error));
    }
}

#[test]
fn extensions_are_bounded_by_line_and_by_body() {
    let line = |length: usize| format!("1;{}\r\nx\r\n", "e".repeat(length));
    assert!(decode(BodyDecoder::chunked(), &[line(4096).as_bytes()]).is_ok());
    let too_long = line(4097);
    assert_eq!(decode(BodyDecoder::chunked(), &[too_long.as_bytes()]), Err(BodyError::BadChunkExtension));
    let all = line(4096).repeat(4);
    assert!(decode(BodyDecoder::chunked(), &[all.as_bytes()]).is_ok());
    let more = all + &line(1);
    assert_eq!(decode(BodyDecoder::chunked(), &[more.as_bytes()]), Err(BodyError::BadChunkExtension));
}

fn trailers_of(input: &str) -> Result<String, BodyError> {
    let mut decoder = BodyDecoder::chunked();
    let piece = decoder.next(input.as_bytes())?;
    assert_eq!((piece.consumed, piece.done), (input.len(), true), "{input:?}");
    Ok(String::from_utf8(decoder.trailers().to_vec()).unwrap())
}

#[test]
fn trailers_that_may_be_trailers_pass_and_others_do_not() {
    let table = [
        ("0\r\n\r\n", ""),
        ("0\r\nGrpc-Status: 0\r\ngrpc-message:\r\n\r\n", "Grpc-Status: 0\r\ngrpc-message:\r\n"),
        ("0\r\nContent-Length: 3\r\nX-Sum: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "X-Sum: 1\r\n"),
        ("0\r\nhost: a\r\nCookie: a=b\r\nAuthorization: x\r\nSet-Cookie: s=1\r\n\r\n", ""),
        ("0\r\nConnection: close\r\nVary: *\r\nX_Forwarded_For: 1\r\nDigest: d\r\n\r\n", "Digest: d\r\n"),
    ];
    for (input, lines) in table {
        assert_eq!(trailers_of(input).as_deref(), Ok(lines));
    }
}

#[test]
fn trailers_are_bounded_in_number_and_bytes() {
    let many = |count: usize| format!("0\r\n{}\r\n", "a:b\r\n".repeat(count));
    assert!(trailers_of(&many(64)).is_ok());
    assert_eq!(trailers_of(&many(65)), Err(BodyError::TrailersTooLarge));
    let long = |length: usize| format!("0\r\na:{}\r\n\r\n", "b".repeat(length));
    assert!(trailers_of(&long(8 * 1024 - 4)).is_ok());
    assert_eq!(trailers_of(&long(8 * 1024 - 3)), Err(BodyError::TrailersTooLarge));
    // dropped ones count too: they cost as much to read
    let dropped = format!("0\r\nhost:{}\r\n\r\n", "b".repeat(9000));
    assert_eq!(trailers_of(&dropped), Err(BodyError::TrailersTooLarge));
}

#[test]
fn chunk_lines_are_plain_hexadecimal() {
    for (length, line) in [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (0xabcdef, "abcdef\r\n"), (0, "")] {
        let mut out = Vec::new();
        chunk_head(length, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), line);
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_however_it_is_split(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
        cuts in proptest::collection::vec(1usize..9, 1..8),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            chunk_head(chunk.len(), &mut wire);
            wire.extend_from_slice(chunk);
            chunk_end(&mut wire);
        }
        last_chunk(b"X-T: 1\r\n", &mut wire);
        let (mut parts, mut rest) = (Vec::new(), &wire[..]);
        for size in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (part, after) = rest.split_at((*size).min(rest.len()));
            parts.push(part);
            rest = after;
        }
        let expected = Ok((chunks.concat(), true, wire.len()));
        prop_assert_eq!(decode(BodyDecoder::chunked(), &parts), expected);
    }

    #[test]
    fn arbitrary_bytes_neither_panic_nor_read_differently_when_split(
        input in proptest::collection::vec(prop_oneof![
            3 => proptest::sample::select(b"\r\n0123afA;:x \t".to_vec()),
            1 => any::<u8>(),
        ], 0..60),
        cut in 0usize..60,
    ) {
        let (a, b) = input.split_at(cut.min(input.len()));
        prop_assert_eq!(decode(BodyDecoder::chunked(), &[&input]), decode(BodyDecoder::chunked(), &[a, b]));
    }
}
