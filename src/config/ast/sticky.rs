//! `sticky`: how a pool keeps a client on its server.

use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::{
    ClientKey, LearnFrom, Name, OnDown, OnReturn, SameSite, Secure, Side, Sticky, StickyCookie, StickyMark,
    StickyTable,
};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;

/// What describes a cookie that lbd sets.
const OWN_COOKIE: &[&str] =
    &["path", "domain", "secure", "http-only", "same-site", "partitioned", "max-age", "max-idle", "max-life"];
const TABLE: &[&str] = &["ttl", "max-entries"];
const MASKS: &[&str] = &["mask-v4", "mask-v6"];

/// The ways of the strongest origin, in the order they are tried.
pub(crate) fn read(pool: Block<'_>, pool_name: &Name) -> Vec<Sticky> {
    let ways = pool.strongest("sticky");
    let mut tables = Vec::new();
    let read = |r: Reader<'_>| {
        let sticky = match r.arg(0, Typed::word)?.value {
            "source-ip" => Sticky::Table(source(r)),
            "header" => Sticky::Table(header(r)),
            "learn" => Sticky::Table(learn(r)),
            _ => cookie(r, pool_name),
        };
        if let Sticky::Table(table) = &sticky {
            twice(r, table, &mut tables);
        }
        Some(sticky)
    };
    ways.into_iter().filter_map(read).collect()
}

/// LB105: two tables by one thing.
fn twice(r: Reader<'_>, table: &StickyTable, tables: &mut Vec<(ClientKey, Span)>) {
    let same = |known: &ClientKey| match (known, &table.by) {
        (ClientKey::SourceIp { .. }, ClientKey::SourceIp { .. }) => true,
        (
            ClientKey::Learned { from, name, .. },
            ClientKey::Learned { from: other_from, name: other_name, .. },
        ) => (from, name) == (other_from, other_name),
        (known, other) => known == other,
    };
    if let Some((_, first)) = tables.iter().find(|(known, _)| same(known)) {
        let message = match table.by {
            ClientKey::SourceIp { .. } => "a pool has one table of addresses".to_owned(),
            ClientKey::Header(ref name) => format!("a pool has one table by the header `{name}`"),
            ClientKey::Learned { ref name, .. } => format!("a pool learns `{name}` once"),
        };
        let error = Diagnostic::error("LB105", r.span(), message).label("again here");
        r.cx.push(error.also(*first, "first here").help("remove one of them"));
    }
    tables.push((table.by.clone(), r.span()));
}

fn source(r: Reader<'_>) -> StickyTable {
    refuse(r, &[&["name", "mode", "from", "parameter"], OWN_COOKIE], "`sticky source-ip`");
    let by = ClientKey::SourceIp {
        mask_v4: r.value("mask-v4", Typed::int),
        mask_v6: r.value("mask-v6", Typed::int),
    };
    table(r, by)
}

fn header(r: Reader<'_>) -> StickyTable {
    refuse(r, &[&["mode", "from", "parameter"], OWN_COOKIE, MASKS], "`sticky header`");
    let name = named(r, "sticky header name=x-device", "the header that tells clients apart");
    table(r, ClientKey::Header(name.to_ascii_lowercase().into()))
}

fn learn(r: Reader<'_>) -> StickyTable {
    refuse(r, &[&["mode", "on-return"], OWN_COOKIE, MASKS], "`sticky learn`");
    let from = match r.value("from", Typed::word) {
        "header" => LearnFrom::Header,
        "parameter" => LearnFrom::Parameter,
        _ => LearnFrom::Cookie,
    };
    let what = match from {
        LearnFrom::Cookie => "the application's cookie",
        LearnFrom::Header => "the header of answers and requests",
        LearnFrom::Parameter => "the path or query parameter",
    };
    if from != LearnFrom::Cookie {
        r.refuse(&["parameter"], "`from=header` and `from=parameter`");
    }
    let name = named(r, "sticky learn name=JSESSIONID", what);
    let name = if from == LearnFrom::Header { name.to_ascii_lowercase().into() } else { name };
    let param = r.get("parameter", Typed::text).map(Into::into);
    table(r, ClientKey::Learned { from, name, param })
}

fn table(r: Reader<'_>, by: ClientKey) -> StickyTable {
    StickyTable {
        by,
        ttl: r.value("ttl", Typed::time),
        max_entries: r.value("max-entries", Typed::int),
        on_down: on_down(r),
        on_return: match r.value("on-return", Typed::word) {
            "home" => OnReturn::Home,
            _ => OnReturn::Stay,
        },
    }
}

fn cookie(r: Reader<'_>, pool: &Name) -> Sticky {
    refuse(r, &[TABLE, MASKS, &["from", "on-return"]], "`sticky cookie`");
    let side = match r.value("mode", Typed::word) {
        "prefix" => Side::Prefix,
        "suffix" => Side::Suffix,
        _ => {
            r.refuse(&["parameter"], "`mode=insert`");
            return Sticky::Cookie(own(r, pool));
        }
    };
    refuse(r, &[OWN_COOKIE], "a cookie that the application sets");
    if side == Side::Prefix {
        r.refuse(&["parameter"], "`mode=prefix`");
    }
    let name = named(r, "sticky cookie mode=suffix name=JSESSIONID", "the application's cookie");
    let param = r.get("parameter", Typed::text).map(Into::into);
    Sticky::Marked(StickyMark { name, side, param, on_down: on_down(r) })
}

fn own(r: Reader<'_>, pool: &Name) -> StickyCookie {
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
        max_age: r.get("max-age", Typed::time_off).flatten(),
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

fn refuse(r: Reader<'_>, keys: &[&[&'static str]], by: &str) {
    keys.iter().for_each(|keys| r.refuse(keys, by));
}

/// LB102: what cannot be guessed must be named. Without a name it is empty: each `sticky` gives a way.
fn named(r: Reader<'_>, example: &str, what: &str) -> Name {
    let name = r.get("name", Typed::text);
    if name.is_none() && r.written("name").is_none() {
        let error = Diagnostic::error("LB102", r.span(), "this needs a `name`").label(what.to_owned());
        r.cx.push(error.help(format!("write `{example}`")));
    }
    name.unwrap_or_default().into()
}

/// Combinations that browsers refuse to store: LB403.
fn browsers_drop_it(r: Reader<'_>, cookie: &StickyCookie) {
    let name = cookie.name.as_ref();
    let error = |key: &str, why: &str| {
        let span = r.written(key).unwrap_or(r.span());
        let finding = Diagnostic::error("LB403", span, "browsers drop this cookie").label(why.to_owned());
        let fix = match (why.contains("secure=always"), r.written("secure")) {
            (true, Some(at)) => finding.clone().fix(at, "always"),
            (true, None) if r.is_written() => {
                let end = Span { start: span.end, ..span };
                finding.clone().fix(end, " secure=always")
            }
            _ => finding,
        };
        r.cx.push(fix);
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
