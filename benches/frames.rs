//! What it costs to find the frames of a WebSocket in what a relay reads at once.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lbd::proxy::websocket::{Frames, Sender};

/// What one read gives.
const READ: usize = 16 * 1024;

/// Frames of one size, as a client sends them.
fn stream(payload: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while out.len() < READ {
        out.push(0x82);
        if payload < 126 {
            out.push(0x80 | payload as u8);
        } else {
            out.push(0x80 | 126);
            out.extend((payload as u16).to_be_bytes());
        }
        out.extend([1, 2, 3, 4]);
        out.resize(out.len() + payload, 7);
    }
    out
}

fn frames(criterion: &mut Criterion) {
    for payload in [10, 100, 1000, 10_000] {
        let stream = stream(payload);
        let mut group = criterion.benchmark_group("frames");
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_function(format!("read-of-{payload}-byte-messages"), |bencher| {
            bencher.iter(|| {
                let mut frames = Frames::new(Sender::Client);
                frames.pass(black_box(&stream));
                black_box(frames.messages())
            });
        });
        group.finish();
    }
}

criterion_group!(benches, frames);
criterion_main!(benches);
