//! The files that `error-page` names are read here, once the rest has a meaning: they are inputs like the others,
//! so a change of one is a reload.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Report};
use super::include::reason;
use super::model::{ErrorPage, Model};
use super::source::{Loader, Sources};

/// The largest page, in bytes.
const MOST: usize = 1 << 20;

/// Fills in what the pages of `model` say. LB807: a page that cannot be read.
pub(super) fn fill(model: &mut Model, sources: &mut Sources, loader: &dyn Loader, report: &mut Report) {
    let mut read: BTreeMap<PathBuf, Option<Arc<[u8]>>> = BTreeMap::new();
    for page in pages(model) {
        let body = read.entry(page.file.clone()).or_insert_with(|| {
            let shown = page.file.display();
            let refuse = |why: String| {
                Diagnostic::error("LB807", page.span, format!("cannot use the error page `{shown}`"))
                    .label(why)
            };
            match sources.read(&page.file, loader) {
                Ok(bytes) if bytes.len() <= MOST => Some(bytes.into()),
                Ok(_) => {
                    report.push(refuse("larger than 1 MiB".to_owned()));
                    None
                }
                Err(error) => {
                    let help = "a relative name starts at the directory of the file that it stands in";
                    report.push(refuse(reason(&error)).help(help));
                    None
                }
            }
        });
        page.body = body.clone().unwrap_or_default();
    }
}

fn pages(model: &mut Model) -> impl Iterator<Item = &mut ErrorPage> {
    let sites = model.sites.iter_mut().flat_map(|site| {
        let routes = site.routes.iter_mut().flat_map(|route| &mut route.error_pages);
        site.error_pages.iter_mut().chain(routes)
    });
    model.error_pages.iter_mut().chain(sites)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::load;
    use super::super::source::{Input, MemLoader};
    use super::super::testing::BASE;

    const PAGES: &str = "error-page 503 file=\"e/503.html\"\n";

    #[test]
    fn a_page_is_read_and_is_an_input() {
        let loader =
            MemLoader::new().file("c/lbd.kdl", format!("{BASE}{PAGES}")).file("c/e/503.html", "<p>soon");
        let loaded = load(Path::new("c/lbd.kdl"), &loader);
        let model = loaded.model.unwrap();
        let page = &model.sites[0].routes[0].error_pages[0];
        assert_eq!((&*page.body, page.content_type), (&b"<p>soon"[..], "text/html; charset=utf-8"));
        assert_eq!(model.error_pages[0].body, page.body);
        assert!(loaded.sources.inputs().contains(&Input::File("c/e/503.html".into())));
        let changed = loader.file("c/e/503.html", "<p>later");
        assert_ne!(loaded.sources.digest(), loaded.sources.digest_now(&changed));
    }

    #[test]
    fn a_page_that_is_missing_or_huge_is_an_error_once() {
        let text = format!("{BASE}{PAGES}");
        let codes = |loader: &MemLoader| -> Vec<&'static str> {
            let loaded = load(Path::new("lbd.kdl"), loader);
            assert!(loaded.model.is_none());
            loaded.report.findings.iter().map(|finding| finding.code).collect()
        };
        let missing = MemLoader::new().file("lbd.kdl", text);
        assert_eq!(codes(&missing), ["LB807"]);
        assert_eq!(codes(&missing.clone().file("e/503.html", vec![b'x'; (1 << 20) + 1])), ["LB807"]);
    }
}
