//! Findings that come of what HAProxy did too: allowed, with the reason, so that the result lints clean.

use super::super::kdl::Block;
use super::backend::Backend;
use super::cond::Cond;
use super::expr::Place;
use super::site::Site;

/// The lines of `lint`.
pub(super) fn block<'b>(sites: &[Site], pools: impl Iterator<Item = &'b Backend>) -> Block {
    let mut block = Block::default();
    let by_host = |cond: &Cond| matches!(cond, Cond::Field(Place::Header, name, _) if matches!(name.as_str(), "host" | "cookie"));
    let routes = || sites.iter().flat_map(|site| &site.routes);
    if routes().any(|placed| placed.route.matches.iter().flatten().any(by_host)) {
        block.line(
            "allow LB212 because=\"a part of the field decides, which neither `site` nor `cookie` can say\"",
        );
    }
    let (mut unverified, mut redirects, mut twice) = (false, false, false);
    for pool in pools.filter(|pool| pool.written).map(|pool| pool.block.as_str()) {
        let servers = pool.lines().filter(|line| line.trim_start().starts_with("server ")).count();
        let alone = servers == 1 && !pool.contains("discover ");
        unverified |= pool.contains("tls verify=");
        redirects |= pool.contains("status=\"200-399\"");
        twice |= pool.contains("sticky ") && (alone || pool.contains("key=\"source-ip\""));
    }
    if unverified {
        block.line(
            "allow LB608 because=\"servers were not verified before either: name their authority by `tls ca=`, then remove this\"",
        );
    }
    if redirects {
        block.line(
            "allow LB310 because=\"HAProxy takes a redirect for a good answer too: name a path that answers 200, then remove this\"",
        );
    }
    if twice {
        block.line(
            "allow LB411 because=\"HAProxy did both: the table keeps clients where they are when servers change\"",
        );
    }
    block
}
