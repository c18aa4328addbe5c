//! `sticky`: how a pool keeps a client on its server.

use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::{Name, OnDown, SameSite, Secure, Sticky, StickyCookie, StickySource};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;

/// What only a cookie has.
const COOKIE_ONLY: &[&str] = &[
    "name",
    "mode",
    "path",
    "domain",
    "secure",
    "http-only",
    "same-site",
    "partitioned",
    "max-idle",
    "max-life",
];

/// What only a table of addresses has.
const SOURCE_ONLY: &[&str] = &["ttl", "max-entries", "mask-v4", "mask-v6"];

/// The ways of the strongest origin, in the order they are tried.
pub(crate) fn read(pool: Block<'_>, pool_name: &Name) -> Vec<Sticky> {
    let ways = pool.strongest("sticky");
    let mut tables = Vec::new();
    let read = |r: Reader<'_>| match r.arg(0, Typed::word)?.value {
        "source-ip" => {
            r.refuse(COOKIE_ONLY, "`sticky source-ip`");
            twice(r, &mut tables);
            Some(Sticky::SourceIp(source(r)))
        }
        _ => {
            r.refuse(SOURCE_ONLY, "`sticky cookie`");
            Some(Sticky::Cookie(cookie(r, pool_name)))
        }
    };
    ways.into_iter().filter_map(read).collect()
}

fn twice(r: Reader<'_>, tables: &mut Vec<Span>) {
    if let Some(first) = tables.first() {
        let error =
            Diagnostic::error("LB105", r.span(), "a pool has one table of addresses").label("again here");
        r.cx.push(error.also(*first, "first here"));
    }
    tables.push(r.span());
}

fn source(r: Reader<'_>) -> StickySource {
    StickySource {
        ttl: r.value("ttl", Typed::time),
        max_entries: r.value("max-entries", Typed::int),
        mask_v4: r.value("mask-v4", Typed::int),
        mask_v6: r.value("mask-v6", Typed::int),
        on_down: on_down(r),
    }
}

fn cookie(r: Reader<'_>, pool: &Name) -> StickyCookie {
    r.value("mode", Typed::word);
    let cookie = StickyCookie {
        name: r.get("name", Typed::text).unwrap_or_else(|| format!("lbd-{pool}")).into(),
        path: r.value("path", Typed::text).into(),
        domain: r.get("domain", Typed::text).map(Into::into),
        secure: match r.value("secure", Typed::word) {
            "always" => Secure::Always,
            "never" => Secure::Never,
            _ => Secure::Auto,
        },
        http_only: r.value("http-only", Typed::bool),
        same_site: match r.value("same-site", Typed::word) {
            "strict" => SameSite::Strict,
            "none" => SameSite::None,
            _ => SameSite::Lax,
        },
        partitioned: r.value("partitioned", Typed::bool),
        max_idle: r.get("max-idle", Typed::time_off).flatten(),
        max_life: r.get("max-life", Typed::time_off).flatten(),
        on_down: on_down(r),
    };
    browsers_drop_it(r, &cookie);
    cookie
}

fn on_down(r: Reader<'_>) -> OnDown {
    match r.value("on-down", Typed::word) {
        "fail" => OnDown::Fail,
        _ => OnDown::Redispatch,
    }
}

/// Combinations that browsers refuse to store: LB403.
fn browsers_drop_it(r: Reader<'_>, cookie: &StickyCookie) {
    let name = cookie.name.as_ref();
    let error = |key: &str, why: &str| {
        let span = r.written(key).unwrap_or(r.span());
        let finding = Diagnostic::error("LB403", span, "browsers drop this cookie").label(why.to_owned());
        r.cx.push(finding);
    };
    let secure = cookie.secure == Secure::Always;
    if cookie.same_site == SameSite::None && !secure {
        error("same-site", "`same-site=none` needs `secure=always`");
    }
    if cookie.partitioned && !secure {
        error("partitioned", "`partitioned` needs `secure=always`");
    }
    let (host_prefix, secure_prefix) = (has_prefix(name, "__Host-"), has_prefix(name, "__Secure-"));
    if (host_prefix || secure_prefix) && !secure {
        error("name", "a name that begins so needs `secure=always`");
    }
    if host_prefix && (cookie.domain.is_some() || cookie.path.as_ref() != "/") {
        error("name", "`__Host-` allows no domain and only the path /");
    }
}

/// Browsers compare these prefixes in any case.
fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
