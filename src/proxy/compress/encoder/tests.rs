//! What goes in comes out of any decoder, however it was cut, flushed or left; and there are never too many.

use std::io::Read;

use proptest::prelude::*;

use super::*;

fn decoded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let read = match coding {
        Coding::Zstd => zstd::stream::read::Decoder::new(bytes).unwrap().read_to_end(&mut out),
        Coding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out),
        Coding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out),
    };
    read.unwrap();
    out
}

/// As much as a decoder can say of a body that has not ended.
fn decoded_so_far(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader: Box<dyn Read> = match coding {
        Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
        Coding::Brotli => Box::new(brotli::Decompressor::new(bytes, 4096)),
        Coding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
    };
    let mut block = [0; 512];
    while let Ok(n @ 1..) = reader.read(&mut block) {
        out.extend_from_slice(&block[..n]);
    }
    out
}

fn take(encoder: &mut Encoder) -> Vec<u8> {
    let out = encoder.out().to_vec();
    encoder.taken();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_goes_in_comes_out(
        chunks in proptest::collection::vec((proptest::collection::vec(0u8..5, 0..3000), any::<bool>()), 0..12),
    ) {
        let encoders = Rc::new(Encoders::default());
        for coding in Coding::ALL {
            // The second body is that of an encoder which was used before, where there is one.
            for _ in 0..2 {
                let mut encoder = encoders.lend(coding).unwrap();
                let (mut sent, mut whole) = (Vec::new(), Vec::new());
                for (chunk, flush) in &chunks {
                    encoder.push(chunk).unwrap();
                    whole.extend_from_slice(chunk);
                    if *flush {
                        encoder.flush().unwrap();
                        sent.extend(take(&mut encoder));
                        prop_assert_eq!(&decoded_so_far(coding, &sent), &whole, "after a flush");
                    }
                }
                encoder.finish().unwrap();
                sent.extend(take(&mut encoder));
                prop_assert_eq!(decoded(coding, &sent), whole);
                prop_assert_eq!(encoder.produced(), sent.len() as u64);
            }
        }
    }
}

#[test]
fn bytes_that_do_not_shrink_pass_as_well() {
    let noise: Vec<u8> = (0..STEP as u32 * 8).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let encoders = Rc::new(Encoders::default());
    for coding in Coding::ALL {
        let mut encoder = encoders.lend(coding).unwrap();
        let mut sent = Vec::new();
        for step in noise.chunks(STEP) {
            encoder.push(step).unwrap();
            sent.extend(take(&mut encoder));
        }
        encoder.finish().unwrap();
        sent.extend(take(&mut encoder));
        assert!(decoded(coding, &sent) == noise, "{coding:?}");
    }
}

#[test]
fn a_body_that_broke_off_leaves_no_trace_in_the_next() {
    let encoders = Rc::new(Encoders::default());
    for coding in Coding::ALL {
        let mut broken = encoders.lend(coding).unwrap();
        broken.push(b"of somebody else").unwrap();
        drop(broken);
        let mut next = encoders.lend(coding).unwrap();
        assert!(!next.holds_back() && next.out().is_empty());
        next.push(b"mine").unwrap();
        assert!(next.holds_back());
        next.finish().unwrap();
        assert_eq!(decoded(coding, next.out()), b"mine");
        assert!(next.push(b"more").is_err() || coding != Coding::Brotli, "ended");
    }
}

#[test]
fn a_worker_lends_so_many_and_keeps_so_few() {
    let encoders = Rc::new(Encoders::default());
    let lent: Vec<_> = (0..MOST).map(|_| encoders.lend(Coding::Gzip).unwrap()).collect();
    assert!(encoders.lend(Coding::Gzip).is_none() && encoders.lend(Coding::Zstd).is_none());
    drop(lent);
    assert_eq!((encoders.at_work.get(), encoders.idle.borrow().len()), (0, KEPT));
    let _one = encoders.lend(Coding::Gzip).unwrap();
    assert_eq!((encoders.at_work.get(), encoders.idle.borrow().len()), (1, KEPT - 1));
}

#[test]
fn a_turn_ends() {
    let encoders = Rc::new(Encoders::default());
    let mut encoder = encoders.lend(Coding::Gzip).unwrap();
    let steps = (0..100).take_while(|_| {
        encoder.push(&[b'x'; STEP]).unwrap();
        !encoder.slice_is_over()
    });
    assert_eq!(steps.count(), SLICE / STEP - 1);
    encoder.begin_slice();
    assert!(!encoder.slice_is_over());
}
