//! Parts of a route that few routes have: a split, a rewrite, limits of rate, compression, pages for errors.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::super::diagnostic::Span;
use super::{Action, Key, LocationPart, Name, StatusSet, Timeouts};

/// `split`: a weighted choice among pools.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// Who decides.
    pub by: SplitBy,
    /// Sorted by pool; at least one weighs something.
    pub branches: Vec<Branch>,
}

/// What a split goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SplitBy {
    /// Each request anew.
    Request,
    /// The client's address.
    SourceIp,
    /// A cookie that lbd sets at a client's first request.
    Cookie {
        /// Its name.
        name: Name,
        /// How long a client stays on its side.
        max_age: Duration,
    },
}

/// `to` inside `split`.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// Where it leads.
    pub pool: Name,
    /// Its share; 0 takes nobody, not even who was there before.
    pub weight: u32,
    /// Server-side clocks: the route's, else this pool's, else the defaults.
    pub timeout: Timeouts,
    /// Where it was written.
    pub span: Span,
}

impl Action {
    /// The pools that it may lead to.
    pub fn pools(&self) -> impl Iterator<Item = &Name> {
        let (one, several) = match self {
            Self::Pool(name) => (Some(name), None),
            Self::Split(split) => (None, Some(&split.branches)),
            Self::Redirect { .. } | Self::Respond { .. } => (None, None),
        };
        one.into_iter().chain(several.into_iter().flatten().map(|branch| &branch.pool))
    }
}

/// `rewrite`: what is changed of a request before it is forwarded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rewrite {
    /// The path.
    pub path: PathRewrite,
    /// The host, with holes.
    pub host: Option<Vec<LocationPart>>,
}

/// What becomes of the path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PathRewrite {
    /// It stays.
    #[default]
    Keep,
    /// It loses these leading segments, if it has them.
    StripPrefix(Name),
    /// It becomes this, with holes.
    Replace(Vec<LocationPart>),
}

/// `rate-limit`: a token bucket for each value of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RateLimit {
    /// Limits of one name share their buckets; without one it is made of the place: `site a.b`, `route a.b /x`.
    pub name: Name,
    /// Whose bucket.
    pub key: Key,
    /// So many tokens ...
    pub count: u32,
    /// ... in so much time.
    pub per: Duration,
    /// And at most so many at once.
    pub burst: u32,
}

/// `mirror`: copies of requests for another pool, whose answers are dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct Mirror {
    /// Who gets them.
    pub pool: Name,
    /// Which share of the requests is copied, in percent.
    pub fraction_percent: f64,
    /// Clocks of the copies: the pool's, else the defaults.
    pub timeout: Timeouts,
    /// Where the pool is named.
    pub span: Span,
}

/// `compress`: how answers are compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compress {
    /// By these codings, the preferred first; at least one.
    pub codings: Vec<Coding>,
    /// Answers that say to be smaller stay as they are.
    pub min_size: u64,
}

/// A content coding (RFC 9110, section 8.4.1; zstd: RFC 8878; br: RFC 7932).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `zstd`
    Zstd,
    /// `br`
    Brotli,
    /// `gzip`
    Gzip,
}

impl Coding {
    /// Every coding, in the order of the default.
    pub const ALL: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

    /// Its name in `Accept-Encoding` and `Content-Encoding`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }
}

/// `error-page`: the body of an answer that lbd makes.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorPage {
    /// For these.
    pub statuses: StatusSet,
    /// Where it is read from.
    pub file: PathBuf,
    /// What the file says; empty until it was read.
    pub body: Arc<[u8]>,
    /// What the file's ending says.
    pub content_type: &'static str,
    /// Where it was named.
    pub span: Span,
}
