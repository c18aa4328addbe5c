//! What a route's rewrite makes of a request's path and host. What it makes of texts of the client is checked again:
//! it must be a path, and a host, as any other.

use super::routing::{Path, Texts};
use crate::proxy::failure::Failure;
use crate::proxy::head::{Authority, ParseError};
use crate::router::NormalPath;
use crate::snapshot::RewriteSnap;

impl Texts<'_, '_> {
    /// Rewrites into `result`.
    pub(super) fn rewrite(&self, rewrite: &RewriteSnap, result: &mut Path) -> Result<(), Failure> {
        if let Some(parts) = &rewrite.path {
            let mut path = Vec::new();
            self.fill(parts, &mut path);
            let path = NormalPath::parse(&path, rewrite.paths).map_err(Failure::BadPath)?;
            result.rewritten = Some(path.forwarded().to_vec());
        } else if let Some(rest) = rewrite.stripped(self.path.forwarded()) {
            result.rewritten = Some(rest.to_vec());
        }
        if let Some(parts) = &rewrite.host {
            let mut host = Vec::new();
            self.fill(parts, &mut host);
            if host.is_empty() || Authority::parse(&host).is_none() {
                return Err(Failure::BadRequest(ParseError::BadHost));
            }
            result.host = Some(host);
        }
        Ok(())
    }
}
