//! Whether an answer is compressed, and what its head then says.
//!
//! A server's answer is one of several that the same request could get, so `Vary` says so even on one that goes out
//! as it is. Validators and ranges are those of the server's bytes: an entity tag becomes weak (RFC 9110, section
//! 8.8.1), ranges are not offered, digests go. Never touched: what is encoded already, a part of something (206),
//! what says `no-transform`, and an answer to HTTP/1.0, which knows no chunks. Answers that lbd makes itself do not
//! come here.

use crate::config::model::{Coding, Compress};
use crate::proxy::compress::{Encoder, choose, is_compressible};
use crate::proxy::head::{Fields, Known, KnownSet, RequestHead, ResponseHead, Version};
use crate::proxy::http1::{Delivery, FramingLine, Names, append_list_value, write_field};
use crate::proxy::scratch::Scratch;
use crate::proxy::worker::Worker;
use crate::snapshot::RouteSnap;

/// Fields that are about the bytes as the server sent them.
const OF_THE_BYTES: KnownSet = KnownSet::of(&[
    Known::AcceptRanges,
    Known::ContentDigest,
    Known::ContentEncoding,
    Known::ContentMd5,
    Known::Digest,
    Known::ReprDigest,
]);

/// What becomes of an answer.
#[derive(Debug, Default)]
pub(super) struct Coded {
    /// What its body goes through.
    pub(super) encoder: Option<Box<Encoder>>,
    /// Fields of its head that do not pass.
    pub(super) drop: KnownSet,
}

/// Decides, appends lines to the answer's head, and mends its framing.
pub(super) fn run(
    worker: &Worker,
    route: &RouteSnap,
    scratch: &mut Scratch,
    delivery: &mut Delivery,
) -> Coded {
    let mut coded = Coded::default();
    let Some(settings) = &route.compress else { return coded };
    let Scratch { request, answer, response_lines, .. } = scratch;
    let response = &answer.head;
    let wanted = || choose(request.fields.all(Known::AcceptEncoding), &settings.codings);
    let edited = |name: &str| Names::Shared(&route.response_drop).means(name.as_bytes());
    if response.status() == 304 {
        // About an answer that was not sent again: the client says itself which one it has.
        vary(response, edited("vary"), response_lines, &mut coded.drop);
        if has_weakened(request, response) && !edited("etag") {
            weaken(response, response_lines, &mut coded.drop);
        }
        return coded;
    }
    if !may(settings, request, response) || edited("content-encoding") {
        return coded;
    }
    vary(response, edited("vary"), response_lines, &mut coded.drop);
    let Some(coding) = wanted() else { return coded };
    if !request.is_head() {
        coded.encoder = worker.encoders.lend(coding);
        if coded.encoder.is_none() {
            return coded;
        }
    }
    head(coding, response, edited("etag"), response_lines, &mut coded.drop);
    reframe(request, delivery);
    coded
}

/// Whether this answer could be compressed for some client.
fn may(settings: &Compress, request: &RequestHead, response: &ResponseHead) -> bool {
    let status = response.status();
    let has_content = status >= 200 && !matches!(status, 204..=206 | 304);
    let least = settings.min_size.max(1);
    has_content
        && request.version() != Version::Http10
        && response.declared_length().is_none_or(|length| length >= least)
        && response.get_known(Known::ContentType).is_some_and(is_compressible)
        && response.all_known(Known::ContentEncoding).all(|coding| coding.eq_ignore_ascii_case(b"identity"))
        && response.get_known(Known::ContentRange).is_none()
        && !forbids(&response.fields)
        && !forbids(&request.fields)
}

/// `Cache-Control: no-transform` (RFC 9111, sections 5.2.1.6 and 5.2.2.6).
fn forbids(fields: &Fields) -> bool {
    fields.tokens(Known::CacheControl).any(|directive| directive.eq_ignore_ascii_case(b"no-transform"))
}

/// Whether the client asked after an entity tag that was made weak here.
fn has_weakened(request: &RequestHead, response: &ResponseHead) -> bool {
    let Some(tag) = response.get_known(Known::Etag).filter(|tag| is_strong(tag)) else { return false };
    request.fields.tokens(Known::IfNoneMatch).any(|known| known.strip_prefix(b"W/") == Some(tag))
}

fn is_strong(tag: &[u8]) -> bool {
    tag.starts_with(b"\"")
}

/// `Vary` names what the choice went by. `edited` says that the route's own word replaces the server's.
fn vary(response: &ResponseHead, edited: bool, lines: &mut Vec<u8>, drop: &mut KnownSet) {
    let says = |member: &[u8]| member == b"*" || member.eq_ignore_ascii_case(b"accept-encoding");
    if edited {
        append_list_value("Vary", std::iter::empty(), b"Accept-Encoding", lines);
    } else if !response.fields.tokens(Known::Vary).any(says) {
        append_list_value("Vary", response.all_known(Known::Vary), b"Accept-Encoding", lines);
        drop.insert(Known::Vary);
    }
}

fn weaken(response: &ResponseHead, lines: &mut Vec<u8>, drop: &mut KnownSet) {
    if let Some(tag) = response.get_known(Known::Etag).filter(|tag| is_strong(tag)) {
        lines.extend_from_slice(b"ETag: W/");
        lines.extend_from_slice(tag);
        lines.extend_from_slice(b"\r\n");
        drop.insert(Known::Etag);
    }
}

fn head(
    coding: Coding,
    response: &ResponseHead,
    etag_edited: bool,
    lines: &mut Vec<u8>,
    drop: &mut KnownSet,
) {
    write_field(b"Content-Encoding", coding.name().as_bytes(), lines);
    if !etag_edited {
        weaken(response, lines, drop);
    }
    *drop = drop.with(OF_THE_BYTES);
}

/// Nobody knows yet how long it will be.
fn reframe(request: &RequestHead, delivery: &mut Delivery) {
    let head = request.is_head();
    let chunks = request.version() == Version::Http11;
    delivery.chunked = chunks && !head;
    delivery.framing = match (chunks, head) {
        (true, false) => FramingLine::Chunked,
        // A HEAD that says nothing of the length says nothing wrong.
        (true, true) | (false, _) => FramingLine::Omit,
    };
}
