//! What it costs to read a head and to write it anew: what `wrk` sends, what a browser sends, what a server answers;
//! and to take one cookie out.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lbd::proxy::head::{RequestHead, ResponseHead};
use lbd::proxy::http1::{
    HeadLimits, Names, RequestPlan, ResponsePlan, Status, parse_request, parse_response, write_request,
    write_response,
};

const SMALL: &[u8] = b"GET /1k HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

const BROWSER: &[u8] = b"GET /app/index.html?user=7 HTTP/1.1\r\n\
Host: shop.example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
Accept-Language: en-US,en;q=0.5\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Referer: https://shop.example.com/index.html\r\n\
Upgrade-Insecure-Requests: 1\r\n\
Sec-Fetch-Dest: document\r\n\
Sec-Fetch-Mode: navigate\r\n\
Sec-Fetch-Site: same-origin\r\n\
Cache-Control: max-age=0\r\n\
Connection: keep-alive\r\n\
Cookie: theme=dark; SRV=a1b2c3; JSESSIONID=0A1B2C3D4E5F60718293A4B5C6D7E8F9; lang=en\r\n\r\n";

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\
Server: Apache-Coyote/1.1\r\n\
Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
Content-Type: text/html;charset=UTF-8\r\n\
Content-Length: 1024\r\n\
Connection: keep-alive\r\n\r\n";

/// Lines as lbd appends them.
const EXTRA: &[u8] =
    b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Request-ID: 0123456789abcdef0123456789abcdef\r\n";

fn requests(criterion: &mut Criterion) {
    let limits = HeadLimits::default();
    for (name, text) in [("small", SMALL), ("browser", BROWSER)] {
        let mut group = criterion.benchmark_group("request");
        group.throughput(Throughput::Bytes(text.len() as u64));
        let mut head = RequestHead::new();
        group.bench_function(format!("parse/{name}"), |bencher| {
            bencher.iter(|| parse_request(black_box(text), &limits, &mut head));
        });
        let whole = parse_request(text, &limits, &mut head);
        assert_eq!(whole, Ok(Status::Complete(text.len())), "the whole head is read");
        let mut out = Vec::with_capacity(4096);
        let mut write = |name: String, plan: &RequestPlan<'_>| {
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    out.clear();
                    write_request(black_box(&head), plan, &mut out);
                    out.len()
                });
            });
        };
        let plan =
            RequestPlan { path: head.path(), query: head.query(), extra: EXTRA, ..RequestPlan::default() };
        write(format!("write/{name}"), &plan);
        let strip = RequestPlan { strip_cookies: Names::Strs(&["SRV"]), ..plan };
        write(format!("write-without-a-cookie/{name}"), &strip);
    }
}

fn answers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("response");
    group.throughput(Throughput::Bytes(ANSWER.len() as u64));
    let (limits, mut head) = (HeadLimits::default(), ResponseHead::new());
    group.bench_function("parse", |bencher| {
        bencher.iter(|| parse_response(black_box(ANSWER), &limits, &mut head));
    });
    let whole = parse_response(ANSWER, &limits, &mut head);
    assert_eq!(whole, Ok(Status::Complete(ANSWER.len())), "the whole head is read");
    let mut out = Vec::with_capacity(4096);
    group.bench_function("write", |bencher| {
        bencher.iter(|| {
            out.clear();
            write_response(black_box(&head), &ResponsePlan::default(), &mut out);
            out.len()
        });
    });
    group.finish();
}

criterion_group!(benches, requests, answers);
criterion_main!(benches);
