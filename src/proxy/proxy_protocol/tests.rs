//! Headers as senders write them, headers as nobody should, and headers of chance.

use proptest::prelude::*;

use super::*;

fn whole(client: &str, local: &str, length: usize) -> Parsed {
    let addresses = Some((client.parse().unwrap(), local.parse().unwrap()));
    Parsed::Whole(Header { addresses, length })
}

fn v2_header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, body].concat()
}

#[test]
fn the_line_of_version_1_is_read() {
    let check = |text: &str, expected: Parsed| assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
    let line = "PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n";
    check(line, whole("203.0.113.9:4711", "10.0.0.1:443", line.len()));
    check(&format!("{line}GET /"), whole("203.0.113.9:4711", "10.0.0.1:443", line.len()));
    let line = "PROXY TCP6 2001:db8::9 ::1 4711 443\r\n";
    check(line, whole("[2001:db8::9]:4711", "[::1]:443", line.len()));
    check("PROXY UNKNOWN\r\n", Parsed::Whole(Header { addresses: None, length: 15 }));
    check("PROXY UNKNOWN ff:: whatever\r\n", Parsed::Whole(Header { addresses: None, length: 29 }));
}

#[test]
fn a_line_in_another_spelling_is_refused() {
    for text in [
        "PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\n",
        "PROXY  TCP4 203.0.113.9 10.0.0.1 4711 443\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 4711 443 \r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 4711\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 04711 443\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 +4711 443\r\n",
        "PROXY TCP4 203.0.113.9 10.0.0.1 65536 443\r\n",
        "PROXY TCP4 203.0.113.009 10.0.0.1 4711 443\r\n",
        "PROXY TCP4 ::1 ::1 4711 443\r\n",
        "PROXY TCP6 203.0.113.9 10.0.0.1 4711 443\r\n",
        "PROXY tcp4 203.0.113.9 10.0.0.1 4711 443\r\n",
        "PROXY UDP4 203.0.113.9 10.0.0.1 4711 443\r\n",
        "proxy TCP4 203.0.113.9 10.0.0.1 4711 443\r\n",
        "PROXY\tTCP4 203.0.113.9 10.0.0.1 4711 443\r\n",
        "GET / HTTP/1.1\r\n",
        "\r\n",
        "\x16\x03\x01",
    ] {
        let expected = if text == "\r\n" { Parsed::Partial } else { Parsed::Wrong };
        assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
    }
    let endless = format!("PROXY UNKNOWN {}", "x".repeat(200));
    assert_eq!(parse(endless.as_bytes()), Parsed::Wrong);
    assert_eq!(parse(&endless.as_bytes()[..MOST_V1 - 1]), Parsed::Partial);
}

#[test]
fn version_2_is_read_and_its_tlvs_are_skipped() {
    let body = [203, 0, 113, 9, 10, 0, 0, 1, 0x12, 0x67, 0x01, 0xbb];
    let expected = |length| whole("203.0.113.9:4711", "10.0.0.1:443", length);
    assert_eq!(parse(&v2_header(0x21, 0x11, &body)), expected(28));
    let with_tlvs = [&body[..], b"\x01\x00\x02h2\x04\x00\x00"].concat();
    assert_eq!(parse(&v2_header(0x21, 0x11, &with_tlvs)), expected(36));
    let nobody = |length| Parsed::Whole(Header { addresses: None, length });
    assert_eq!(parse(&v2_header(0x20, 0x11, &body)), nobody(28), "a check of the sender's own");
    assert_eq!(parse(&v2_header(0x20, 0x00, b"")), nobody(16));
    assert_eq!(parse(&v2_header(0x21, 0x31, &[b'/'; 216])), nobody(232), "a Unix socket");
}

#[test]
fn a_wrong_version_2_is_refused_as_soon_as_it_is_seen() {
    let body = [0; 36];
    for (command, family, length) in [
        (0x11, 0x11, 36),
        (0x22, 0x11, 36),
        (0x21, 0x12, 36),
        (0x21, 0x22, 36),
        (0x21, 0x41, 36),
        (0x21, 0x13, 36),
        (0x21, 0x11, 11),
        (0x21, 0x21, 35),
    ] {
        let header = v2_header(command, family, &body[..length]);
        assert_eq!(parse(&header), Parsed::Wrong, "{command:x} {family:x} {length}");
        assert_eq!(parse(&header[..FIXED]), Parsed::Wrong, "{command:x} {family:x} {length}");
    }
    assert_eq!(parse(&v2_header(0x21, 0x11, &[0; MOST_V2])[..FIXED]), Parsed::Wrong, "too long");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_and_every_part_of_it_is_a_beginning(
        a in any::<IpAddr>(), b in any::<IpAddr>(), from: u16, to: u16, tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let (client, local) = (SocketAddr::new(a, from), SocketAddr::new(b, to));
        for version in [SendProxy::V1, SendProxy::V2] {
            let header = write(version, client, local);
            let all = [&header[..], &tail].concat();
            let Parsed::Whole(read) = parse(&all) else { panic!("{header:?}") };
            prop_assert_eq!(read.length, header.len());
            let (source, destination) = read.addresses.unwrap();
            prop_assert_eq!(source.ip().to_canonical(), a.to_canonical());
            prop_assert_eq!(destination.ip().to_canonical(), b.to_canonical());
            prop_assert_eq!((source.port(), destination.port()), (from, to));
            for end in 0..header.len() {
                prop_assert_eq!(parse(&header[..end]), Parsed::Partial);
                prop_assert!(may_be_header(&header[..end]));
            }
            prop_assert!(is_header(&header));
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_read_past_its_bound(bytes in prop::collection::vec(any::<u8>(), 0..64), cut in 0usize..14) {
        for start in [&SIGNATURE[..], WORD, b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00"] {
            let all = [&start[..start.len().saturating_sub(cut)], &bytes].concat();
            match parse(&all) {
                Parsed::Whole(header) => prop_assert!(header.length <= all.len()),
                Parsed::Partial => prop_assert!(all.len() < MOST_V2),
                Parsed::Wrong => {}
            }
        }
    }
}
