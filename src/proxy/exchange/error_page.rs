//! The page for an answer that lbd makes: the route's, else the site's, else that of the top level.

use std::sync::Arc;

use super::Story;
use crate::config::model::ErrorPage;
use crate::proxy::connection::ClientConnection;
use crate::proxy::head::RequestHead;

/// Its content type and body.
pub(super) fn find(
    connection: &ClientConnection,
    head: &RequestHead,
    story: &Story,
    status: u16,
) -> Option<(&'static str, Arc<[u8]>)> {
    let listener = &connection.listener;
    let site = || listener.sites.find(head.host().unwrap_or_default());
    let pages = match &story.route {
        Some(route) => &route.error_pages,
        None => site().map_or(&listener.error_pages, |site| &site.error_pages),
    };
    let fits = |page: &&ErrorPage| page.statuses.contains(status);
    pages.iter().find(fits).map(|page| (page.content_type, Arc::clone(&page.body)))
}
