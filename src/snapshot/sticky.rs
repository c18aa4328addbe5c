//! Stickiness, compiled: from the model's words to the pool's settings, and the cookies that no server may see.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::PoolSnap;
use crate::config::model::{self, Sticky};
use crate::pool::{
    ClientKey, CookiePolicy, KeyRing, LearnFrom, MarkedCookie, OnDown, OnReturn, SameSite, Secure, Side,
    StickySettings, TableSettings,
};

pub(super) fn compile(sticky: &Sticky, keys: &Arc<KeyRing>) -> StickySettings {
    match sticky {
        Sticky::Cookie(cookie) => StickySettings::Cookie(own(cookie, keys)),
        Sticky::Marked(cookie) => StickySettings::Marked(MarkedCookie {
            name: Arc::clone(&cookie.name),
            side: match cookie.side {
                model::Side::Prefix => Side::Prefix,
                model::Side::Suffix => Side::Suffix,
            },
            param: cookie.param.clone(),
            on_down: on_down(cookie.on_down),
            keys: Arc::clone(keys),
        }),
        Sticky::Table(table) => StickySettings::Table(TableSettings {
            by: match &table.by {
                model::ClientKey::SourceIp { mask_v4, mask_v6 } => {
                    ClientKey::SourceIp { mask_v4: *mask_v4, mask_v6: *mask_v6 }
                }
                model::ClientKey::Header(name) => ClientKey::Header(Arc::clone(name)),
                model::ClientKey::Learned { from, name, param } => ClientKey::Learned {
                    from: match from {
                        model::LearnFrom::Cookie => LearnFrom::Cookie,
                        model::LearnFrom::Header => LearnFrom::Header,
                        model::LearnFrom::Parameter => LearnFrom::Parameter,
                    },
                    name: Arc::clone(name),
                    param: param.clone(),
                },
            },
            ttl: table.ttl,
            max_entries: table.max_entries,
            on_down: on_down(table.on_down),
            on_return: match table.on_return {
                model::OnReturn::Stay => OnReturn::Stay,
                model::OnReturn::Home => OnReturn::Home,
            },
        }),
    }
}

/// The marked cookies of all pools, each once: a client may bring those of one pool to another.
pub(super) fn marked(pools: &BTreeMap<Arc<str>, Arc<PoolSnap>>) -> Arc<[Arc<MarkedCookie>]> {
    let mut marked: Vec<Arc<MarkedCookie>> = Vec::new();
    for cookie in pools.values().flat_map(|pool| pool.pool.marked_cookies()) {
        if !marked.iter().any(|known| known.name == cookie.name && known.side == cookie.side) {
            marked.push(Arc::clone(cookie));
        }
    }
    marked.into()
}

fn own(cookie: &model::StickyCookie, keys: &Arc<KeyRing>) -> CookiePolicy {
    CookiePolicy {
        name: Arc::clone(&cookie.name),
        path: Arc::clone(&cookie.path),
        domain: cookie.domain.clone(),
        secure: match cookie.secure {
            model::Secure::Auto => Secure::Auto,
            model::Secure::Always => Secure::Always,
            model::Secure::Never => Secure::Never,
        },
        http_only: cookie.http_only,
        same_site: match cookie.same_site {
            model::SameSite::Lax => SameSite::Lax,
            model::SameSite::Strict => SameSite::Strict,
            model::SameSite::None => SameSite::None,
        },
        partitioned: cookie.partitioned,
        max_age: cookie.max_age,
        max_idle: cookie.max_idle,
        max_life: cookie.max_life,
        on_down: on_down(cookie.on_down),
        keys: Arc::clone(keys),
    }
}

fn on_down(on_down: model::OnDown) -> OnDown {
    match on_down {
        model::OnDown::Redispatch => OnDown::Redispatch,
        model::OnDown::Fail => OnDown::Fail,
    }
}
