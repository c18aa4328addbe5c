//! The parts of a model that are compared by name: what each is called, what is told of it, and what is meant by it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::nowhere;
use crate::config::diagnostic::{FileId, Place, Span};
use crate::config::model::{Action, Certificate, ErrorPage, Listener, Model, Pool, Route, Server, Site};

/// A part of a model.
pub(super) trait Item: PartialEq + Debug + Sized {
    /// All of a model, by name.
    fn all(model: &Model) -> BTreeMap<String, &Self>;

    /// Where it was written.
    fn place(&self) -> &Place;

    /// It without places and without what is told for itself.
    fn meant(&self) -> Self;

    /// What it is, in a few words.
    fn detail(&self) -> String;
}

impl Item for Listener {
    fn all(model: &Model) -> BTreeMap<String, &Self> {
        model.listeners.iter().map(|listener| (listener.name.to_string(), listener)).collect()
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn meant(&self) -> Self {
        let mut plain = Self { place: nowhere(), ..self.clone() };
        if let Some(tls) = &mut plain.tls {
            tls.span = NO_SPAN;
            tls.certificates.iter_mut().for_each(forget_span);
            tls.client_ca.iter_mut().for_each(|ca| ca.span = NO_SPAN);
        }
        plain
    }

    fn detail(&self) -> String {
        self.address.to_string()
    }
}

/// Sites without their routes, which count for themselves; and not the default one, which is only routes.
impl Item for Site {
    fn all(model: &Model) -> BTreeMap<String, &Self> {
        model.sites.iter().filter_map(|site| Some((site.hosts.first()?.to_string(), site))).collect()
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn meant(&self) -> Self {
        let mut plain = Self {
            hosts: self.hosts.clone(),
            paths: self.paths,
            certificates: self.certificates.clone(),
            routes: Vec::new(),
            error_pages: self.error_pages.clone(),
            place: nowhere(),
        };
        plain.certificates.iter_mut().for_each(forget_span);
        forget_spans(&mut plain.error_pages);
        plain
    }

    fn detail(&self) -> String {
        String::new()
    }
}

/// Routes by site and name.
impl Item for Route {
    fn all(model: &Model) -> BTreeMap<String, &Self> {
        let mut routes = BTreeMap::new();
        for site in &model.sites {
            let host = site.hosts.first().map_or("*", |host| host);
            for (at, route) in site.routes.iter().enumerate() {
                let key = if host == "*" { route.name.to_string() } else { format!("{host} {}", route.name) };
                let key = if routes.contains_key(&key) { format!("{key} {at}") } else { key };
                routes.insert(key, route);
            }
        }
        routes
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn meant(&self) -> Self {
        let mut plain = Self { place: nowhere(), span: NO_SPAN, ..self.clone() };
        forget_spans(&mut plain.error_pages);
        match &mut plain.action {
            Action::Split(split) => split.branches.iter_mut().for_each(|branch| branch.span = NO_SPAN),
            Action::Respond { body, .. } => *body = fingerprint(body),
            Action::Pool(_) | Action::Redirect { .. } => {}
        }
        plain.mirror.iter_mut().for_each(|mirror| mirror.span = NO_SPAN);
        plain
    }

    fn detail(&self) -> String {
        match &self.action {
            Action::Pool(pool) => format!("pool {pool}"),
            Action::Split(split) => {
                let ways = split.branches.iter().map(|way| format!("{} {}", way.pool, way.weight));
                format!("split {}", ways.collect::<Vec<_>>().join(", "))
            }
            Action::Redirect { status, .. } => format!("redirect {status}"),
            Action::Respond { status, .. } => format!("respond {status}"),
        }
    }
}

impl Item for Pool {
    fn all(model: &Model) -> BTreeMap<String, &Self> {
        model.pools.values().map(|pool| (pool.name.to_string(), pool)).collect()
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn meant(&self) -> Self {
        let mut plain = Self { place: nowhere(), span: NO_SPAN, ..self.clone() };
        plain.servers.iter_mut().for_each(|server| server.place = nowhere());
        if let Some(tls) = &mut plain.tls {
            tls.span = NO_SPAN;
            tls.certificate.iter_mut().for_each(forget_span);
        }
        plain
    }

    fn detail(&self) -> String {
        String::new()
    }
}

impl Item for Server {
    fn all(model: &Model) -> BTreeMap<String, &Self> {
        let servers =
            model.pools.values().flat_map(|pool| pool.servers.iter().map(move |server| (pool, server)));
        servers.map(|(pool, server)| (format!("{}/{}", pool.name, server.name), server)).collect()
    }

    fn place(&self) -> &Place {
        &self.place
    }

    fn meant(&self) -> Self {
        Self { place: nowhere(), ..self.clone() }
    }

    fn detail(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

const NO_SPAN: Span = Span { file: FileId(0), start: 0, end: 0 };

fn forget_span(certificate: &mut Certificate) {
    certificate.span = NO_SPAN;
}

fn forget_spans(pages: &mut [ErrorPage]) {
    for page in pages {
        page.span = NO_SPAN;
        page.body = fingerprint(&page.body);
    }
}

/// A body is compared, and never told.
fn fingerprint(body: &[u8]) -> Arc<[u8]> {
    if body.is_empty() { Arc::default() } else { Sha256::digest(body).as_slice().into() }
}
