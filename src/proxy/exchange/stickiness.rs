//! An answer and stickiness: what the answer tells of its client, and what the client is told beside it.

use super::Story;
use crate::pool::{Pool, Server, SetCookie};
use crate::proxy::head::{Known, KnownSet, ResponseHead};
use crate::proxy::http1::{Names, write_field};
use crate::snapshot::RouteSnap;

/// Learns from the answer and adds stickiness' own lines to `lines`. Returns the fields that these lines stand for.
pub(super) fn settle(
    (pool, server, route): (&Pool, &Server, &RouteSnap),
    set_cookie: Option<SetCookie>,
    response: &ResponseHead,
    (story, now): (&Story, u64),
    lines: &mut Vec<u8>,
) -> KnownSet {
    let replaced = if pool.heeds_answers() {
        pool.learn(&|name, test| response.any(name, test), server.id, now);
        let dropped = Names::Shared(&route.response_drop).means(b"set-cookie");
        if dropped { KnownSet::EMPTY } else { mark(pool, server, response, now, lines) }
    } else {
        KnownSet::EMPTY
    };
    if let Some(cookie) = set_cookie {
        lines.extend_from_slice(b"Set-Cookie: ");
        cookie.write(story.client.https, lines);
        lines.extend_from_slice(b"\r\n");
    }
    replaced
}

/// Marks the application's cookies: if there are any, all `Set-Cookie` are written anew, the others as they were.
fn mark(pool: &Pool, server: &Server, response: &ResponseHead, now: u64, lines: &mut Vec<u8>) -> KnownSet {
    let marked =
        |field: &[u8]| pool.marked_cookies().find_map(|cookie| cookie.mark(field, &server.name, now));
    if !response.all_known(Known::SetCookie).any(|field| marked(field).is_some()) {
        return KnownSet::EMPTY;
    }
    for field in response.fields().filter(|field| field.known == Known::SetCookie) {
        let new = marked(field.value);
        write_field(field.name, new.as_deref().unwrap_or(field.value), lines);
    }
    KnownSet::of(&[Known::SetCookie])
}
