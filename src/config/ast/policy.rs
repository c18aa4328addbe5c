//! What a site and a route may both say: header edits, networks, limits, error pages.

use ipnet::IpNet;

use super::super::diagnostic::Spanned;
use super::super::model::{Compress, ErrorPage, RateLimit};
use super::super::reader::Block;
use super::super::values::typed::Typed;
use super::headers::{Edits, edits};
use super::{compress, error_page, rate_limit};

/// The part that a route takes over from its site.
pub(crate) struct Policy {
    /// Edits of the request head.
    pub(crate) request_headers: Edits,
    /// Edits of the response head.
    pub(crate) response_headers: Edits,
    /// Only these networks; `None` when nothing is said.
    pub(crate) allow_from: Option<Vec<IpNet>>,
    /// Not these networks.
    pub(crate) deny_from: Vec<IpNet>,
    /// Largest body; the outer `None` when nothing is said, the inner for `off`.
    pub(crate) body_limit: Option<Option<u64>>,
    /// How answers are compressed; the outer `None` when nothing is said, the inner for `off`.
    pub(crate) compress: Option<Option<Compress>>,
    /// Limits of rate.
    pub(crate) rate_limits: Vec<Spanned<RateLimit>>,
    /// Pages for errors.
    pub(crate) error_pages: Vec<ErrorPage>,
}

/// What `block` of a site or route says.
pub(crate) fn read(block: Block<'_>) -> Policy {
    Policy {
        request_headers: edits(block, "request-headers"),
        response_headers: edits(block, "response-headers"),
        allow_from: block.one("allow-from").map(|r| r.plain_args(Typed::network)),
        deny_from: block.one("deny-from").map(|r| r.plain_args(Typed::network)).unwrap_or_default(),
        body_limit: block.one("body-limit").and_then(|r| r.arg(0, Typed::size_off)).map(|limit| limit.value),
        compress: compress::read(block),
        rate_limits: rate_limit::read(block),
        error_pages: error_page::read(block),
    }
}

impl Policy {
    /// A policy that says nothing: the default site's.
    pub(crate) fn none() -> Self {
        Self {
            request_headers: Vec::new(),
            response_headers: Vec::new(),
            allow_from: None,
            deny_from: Vec::new(),
            body_limit: None,
            compress: None,
            rate_limits: Vec::new(),
            error_pages: Vec::new(),
        }
    }
}
