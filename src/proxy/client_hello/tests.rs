//! Hellos of a real TLS library, whole and in pieces; hellos that are bent; hellos of chance.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// The hello that rustls sends for `name`.
fn real(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = name.to_owned().try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The same hello in records of at most `size` bytes.
fn split(hello: &[u8], size: usize) -> Vec<u8> {
    let records = hello[RECORD_HEADER..].chunks(size);
    records
        .flat_map(|part| {
            let length = u16::try_from(part.len()).unwrap().to_be_bytes();
            [&[22, 3, 1], &length[..], part].concat()
        })
        .collect()
}

/// A hello of hand with these extensions.
fn handmade(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let long = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let all: Vec<u8> =
        extensions.iter().flat_map(|(kind, body)| [&kind.to_be_bytes()[..], &long(body)].concat()).collect();
    let body = [&[3, 3][..], &[7; 32], &[0], &long(&[0x13, 0x01]), &[1, 0], &long(&all)].concat();
    let message = [&[1, 0][..], &long(&body)].concat();
    [&[22, 3, 1][..], &long(&message)].concat()
}

fn sni(name: &[u8]) -> Vec<u8> {
    let long = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    long(&[&[0][..], &long(name)].concat())
}

fn named(name: &str) -> Hello {
    Hello::Whole(Some(name.into()))
}

#[test]
fn the_name_of_a_real_hello_is_read_however_it_is_cut() {
    let hello = real("Shop.Example.COM");
    for bytes in [hello.clone(), split(&hello, 1), split(&hello, 7), split(&hello, 100)] {
        assert_eq!(read(&bytes), named("shop.example.com"));
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Hello::Partial, "{end} of {}", bytes.len());
        }
    }
    assert_eq!(read(&[&hello[..], b"early data"].concat()), named("shop.example.com"));
}

#[test]
fn a_hello_without_a_name_is_whole_too() {
    assert_eq!(read(&real("192.0.2.1")), Hello::Whole(None), "an address is no name");
    assert_eq!(read(&handmade(&[(43, &[2, 3, 4])])), Hello::Whole(None));
}

#[test]
fn what_is_not_tls_is_told_at_once() {
    for bytes in
        [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x02", b"\x17\x03\x01", b"SSH-2.0", b"\x80\x2e\x01\x03\x01"]
    {
        assert_eq!(read(bytes), Hello::Other, "{bytes:?}");
    }
}

#[test]
fn a_bent_hello_is_refused() {
    let good = sni(b"a.test");
    assert_eq!(read(&handmade(&[(0, &good)])), named("a.test"));
    for name in [&b""[..], b"a\0b", b"a b", b"a.test:443", b"\xc3\xa4.test", &[b'a'; 256]] {
        assert_eq!(read(&handmade(&[(0, &sni(name))])), Hello::Wrong, "{name:?}");
    }
    assert_eq!(read(&handmade(&[(0, &good), (0, &good)])), Hello::Wrong, "two lists");
    let two_names = [&[0, 18][..], &good[2..], &good[2..]].concat();
    assert_eq!(read(&handmade(&[(0, &two_names)])), Hello::Wrong);
    assert_eq!(read(&handmade(&[(0, &[&good[..], &[0]].concat())])), Hello::Wrong, "bytes behind the list");
    assert_eq!(read(b"\x16\x03\x01\x00\x00"), Hello::Wrong, "an empty record");
    assert_eq!(read(b"\x16\x03\x01\x00\x04\x02\x00\x00\x00"), Hello::Wrong, "a server's hello");
    assert_eq!(
        read(b"\x16\x03\x01\x00\x02\x01\x00\x15\x03\x01\x00\x02\x02\x28"),
        Hello::Wrong,
        "an alert inside"
    );
    assert_eq!(read(b"\x16\x03\x01\x00\x04\x01\x01\x00\x00"), Hello::Wrong, "64 KiB announced");
}

#[test]
fn a_hello_may_be_large_and_not_endless() {
    let large = handmade(&[(21, &vec![0; 15_000]), (0, &sni(b"a.test"))]);
    assert_eq!(read(&large), named("a.test"));
    let drip = split(&handmade(&[(21, &vec![0; 15_000]), (0, &sni(b"a.test"))]), 1);
    assert_eq!(read(&drip[..MOST - 1]), Hello::Partial);
    assert_eq!(read(&drip[..MOST]), Hello::Wrong, "more is not waited for");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes);
        read(&[&[22, 3, 1][..], &bytes].concat());
        read(&handmade(&[(0, &bytes), (0, &bytes)]));
    }

    #[test]
    fn a_hello_with_one_byte_changed_has_a_name_that_is_one_or_none(at in 0usize..220, byte: u8) {
        let mut hello = real("shop.example.com");
        let at = at % hello.len();
        hello[at] = byte;
        if let Hello::Whole(Some(name)) = read(&hello) {
            prop_assert!(!name.is_empty() && name.len() <= MOST_NAME);
            prop_assert!(name.iter().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(b)));
        }
    }
}
