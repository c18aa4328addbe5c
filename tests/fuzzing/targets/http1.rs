//! Heads and bodies of HTTP/1, and heads of HTTP/2 that become those.

use http::{HeaderName, HeaderValue, Method, Uri};
use lbd::proxy::head::{Field, RequestHead, ResponseFraming, ResponseHead, Version};
use lbd::proxy::http1::{
    BodyDecoder, BodyError, Delivery, FramingLine, HeadLimits, ParseError, RequestPlan, ResponsePlan,
    SeenLines, Status, chunk_end, chunk_head, last_chunk, parse_request, parse_request_by, parse_response,
    parse_response_by, write_request, write_response,
};
use lbd::proxy::http2::{Recurring, head as http2};

use super::splits;

/// Limits that inputs of the usual size come to.
const LIMITS: HeadLimits = HeadLimits { bytes: 4096, fields: 32, target: 1024 };
/// Names of fields that concern one connection, or are always written anew.
const OF_ONE_CONNECTION: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Names and values, in order.
type Lines = Vec<(Vec<u8>, Vec<u8>)>;

/// A head is judged the same however it comes in, and means the same once it is written for a server.
pub(crate) fn request(data: &[u8]) {
    let mut head = RequestHead::new();
    let judged = parse_request(data, &LIMITS, &mut head);
    let mut trickled = RequestHead::new();
    same_in_pieces(data, judged, |part| parse_request(part, &LIMITS, &mut trickled));
    let Ok(Status::Complete(length)) = judged else { return };
    assert!(length <= data.len() && length <= LIMITS.bytes + 2, "{length}");
    let alone = parse_request(&data[..length], &LIMITS, &mut trickled);
    assert_eq!(alone, judged, "what follows the head has no part in it");
    let (mut seen, mut again) = (SeenLines::new(), RequestHead::new());
    for _ in 0..2 {
        again.clear();
        assert_eq!(parse_request_by(data, &LIMITS, &mut again, &mut seen), judged);
        assert!(again.fields().eq(head.fields()), "lines mean what they meant: {again:?}");
    }
    assert!(head.version() == Version::Http10 || head.host().is_some(), "{head:?}");
    is_passed_on(&head);
}

/// A request of HTTP/2 is refused, or is written as one of HTTP/1 that means the same. The first line is method and
/// target, each other line a field.
pub(crate) fn http2(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let (empty, first) = (first.starts_with(b" "), first.trim_ascii_start());
    let space = first.iter().position(|byte| *byte == b' ').unwrap_or(first.len());
    let method = Method::from_bytes(&first[..space]);
    let uri = Uri::try_from(first.get(space + 1..).unwrap_or_default());
    let (Ok(method), Ok(uri)) = (method, uri) else { return };
    let Ok(request) = http::Request::builder().method(method).uri(uri).body(()) else { return };
    let (mut parts, ()) = request.into_parts();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line.get(colon + 1..).unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            parts.headers.append(name, value);
        }
    }
    let mut head = RequestHead::new();
    if http2::read(&parts, empty, &LIMITS, &mut head).is_ok() {
        assert_eq!(head.method(), parts.method.as_str());
        assert_eq!(head.version(), Version::Http2);
        is_passed_on(&head);
    }
}

/// A head that was taken, as it goes to a server: exactly one head, with the same meaning.
fn is_passed_on(head: &RequestHead) {
    assert!(head.path() == b"*" || head.path().starts_with(b"/"), "{head:?}");
    if head.authority().is_none() {
        // What a server is told instead is for the caller to say.
        return;
    }
    let written = sent(head);
    let shown = written.escape_ascii();
    let mut again = RequestHead::new();
    let complete = Ok(Status::Complete(written.len()));
    let roomy = HeadLimits { bytes: 2 * HeadLimits::default().bytes, ..HeadLimits::default() };
    assert_eq!(parse_request(&written, &roomy, &mut again), complete, "{shown}");
    assert_eq!((again.method(), again.path()), (head.method(), head.path()), "{shown}");
    assert_eq!((again.query(), again.authority()), (head.query(), head.authority()), "{shown}");
    assert_eq!((again.host(), again.framing()), (head.host(), head.framing()), "{shown}");
    assert!(!again.is_websocket(), "an upgrade is for the caller to ask for: {shown}");
    let (told, kept) = (travelling(head.fields()), travelling(again.fields()));
    match head.connection_names_fields() {
        false => assert_eq!(kept, told, "fields travel in order, byte for byte"),
        true => assert!(is_part(&kept, &told), "{kept:?} {told:?}"),
    }
    assert_eq!(sent(&again), written, "written again, it is the same");
}

fn sent(head: &RequestHead) -> Vec<u8> {
    let (path, query, framing) = (head.path(), head.query(), head.framing().into());
    let mut out = Vec::new();
    write_request(head, &RequestPlan { path, query, framing, ..RequestPlan::default() }, &mut out);
    out
}

/// An answer's head is judged the same however it comes in, and means the same once it is written for a client of
/// either version.
pub(crate) fn response(data: &[u8]) {
    let mut head = ResponseHead::new();
    let judged = parse_response(data, &LIMITS, &mut head);
    let mut trickled = ResponseHead::new();
    same_in_pieces(data, judged, |part| parse_response(part, &LIMITS, &mut trickled));
    let Ok(Status::Complete(length)) = judged else { return };
    assert_eq!(
        parse_response(&data[..length], &LIMITS, &mut trickled),
        judged,
        "what follows has no part in it"
    );
    let (mut seen, mut again) = (SeenLines::new(), ResponseHead::new());
    for _ in 0..2 {
        again.clear();
        assert_eq!(parse_response_by(data, &LIMITS, &mut again, &mut seen), judged);
        assert!(again.fields().eq(head.fields()), "lines mean what they meant: {again:?}");
    }
    for method in ["GET", "HEAD"] {
        let mut request = RequestHead::new();
        request.set_line(method.as_bytes(), b"/", Version::Http11);
        request.push(b"Host", b"a");
        request.seal().expect("a good request");
        let delivery = Delivery::of(&request, &head);
        // What comes without a body may tell of chunks all the same: to HEAD, or with 304.
        let has_body = head.framing_for(method == "HEAD", false) != ResponseFraming::None;
        assert_eq!(delivery.chunked, delivery.framing == FramingLine::Chunked && has_body, "{head:?}");
        let plan = ResponsePlan { framing: delivery.framing, ..ResponsePlan::default() };
        let mut written = Vec::new();
        write_response(&head, &plan, &mut written);
        let shown = written.escape_ascii();
        let mut again = ResponseHead::new();
        let complete = Ok(Status::Complete(written.len()));
        assert_eq!(parse_response(&written, &HeadLimits::default(), &mut again), complete, "{shown}");
        assert_eq!((again.status(), again.reason()), (head.status(), head.reason()), "{shown}");
        let (told, kept) = (travelling(head.fields()), travelling(again.fields()));
        match head.connection_names_fields() {
            false => assert_eq!(kept, told, "fields travel in order, byte for byte"),
            true => assert!(is_part(&kept, &told), "{kept:?} {told:?}"),
        }
        let recurring = Recurring::default();
        let [over_http2, _, kept] =
            [(); 3].map(|()| http2::answer(&written, &recurring).expect("what was written is read"));
        assert_eq!(kept.headers(), over_http2.headers(), "{shown}");
        assert_eq!(over_http2.status().as_u16(), head.status(), "{shown}");
        assert!(!over_http2.headers().keys().any(|name| name == "connection" || name == "transfer-encoding"));
    }
}

/// What is looked at alone: a body of chunks is read the same however it comes in, and what was read is written and
/// read again as the same.
pub(crate) fn chunked(data: &[u8]) {
    let (seed, wire) = data.split_at(data.len().min(2));
    let whole = decoded(BodyDecoder::chunked(), &[wire]);
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(decoded(BodyDecoder::chunked(), &bytes), whole, "byte by byte");
    assert_eq!(decoded(BodyDecoder::chunked(), &splits(wire, seed)), whole, "in pieces");
    for end in [0, wire.len() / 2, wire.len()] {
        let all =
            decoded(BodyDecoder::length(end as u64), &splits(wire, seed)).expect("any bytes are a body");
        assert_eq!((&all.body[..], all.done, all.consumed), (&wire[..end], true, end));
    }
    let Ok(read) = whole else { return };
    assert!(read.consumed <= wire.len() && read.body.len() <= read.consumed);
    assert!(read.done || read.consumed == wire.len(), "bytes are left over");
    if !read.done {
        return;
    }
    let mut written = Vec::new();
    for chunk in splits(&read.body, seed) {
        chunk_head(chunk.len(), &mut written);
        written.extend_from_slice(chunk);
        chunk_end(&mut written);
    }
    last_chunk(&read.trailers, &mut written);
    let again = decoded(BodyDecoder::chunked(), &splits(&written, seed));
    let expected = Read { consumed: written.len(), ..read };
    assert_eq!(again, Ok(expected), "{}", written.escape_ascii());
}

/// What was read of a body.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    body: Vec<u8>,
    trailers: Vec<u8>,
    done: bool,
    consumed: usize,
}

fn decoded(mut decoder: BodyDecoder, pieces: &[&[u8]]) -> Result<Read, BodyError> {
    let (mut body, mut consumed) = (Vec::new(), 0);
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() && !decoder.is_done() {
            let step = decoder.next(rest)?;
            assert!(step.consumed > 0 && step.data.end <= step.consumed, "{step:?}");
            assert_eq!(step.done, decoder.is_done());
            body.extend_from_slice(&rest[step.data]);
            consumed += step.consumed;
            rest = &rest[step.consumed..];
        }
    }
    assert_eq!(decoder.eof().is_ok(), decoder.is_done(), "a body that is cut off is no body");
    Ok(Read { body, trailers: decoder.trailers().to_vec(), done: decoder.is_done(), consumed })
}

/// Gives every beginning of the bytes in turn: the first verdict is that on all of them.
fn same_in_pieces(
    data: &[u8],
    whole: Result<Status, ParseError>,
    mut parse: impl FnMut(&[u8]) -> Result<Status, ParseError>,
) {
    let verdict =
        (0..=data.len()).map(|end| parse(&data[..end])).find(|verdict| *verdict != Ok(Status::Partial));
    let verdict = verdict.unwrap_or(Ok(Status::Partial));
    // Of several faults the first that came in is named.
    assert!(
        verdict == whole || verdict.is_err() && whole.is_err(),
        "{verdict:?} in pieces, {whole:?} at once"
    );
}

/// The fields that go from one end to the other.
fn travelling<'f>(fields: impl Iterator<Item = Field<'f>>) -> Lines {
    let plain = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase().replace('_', "-");
    fields
        .filter(|field| !OF_ONE_CONNECTION.contains(&plain(field.name).as_str()))
        .map(|field| (field.name.to_vec(), field.value.to_vec()))
        .collect()
}

/// Whether some stand among all, in the same order.
fn is_part(some: &Lines, all: &Lines) -> bool {
    let mut all = all.iter();
    some.iter().all(|one| all.any(|other| other == one))
}
