//! TLS on both sides: which certificate a client is shown, which server certificates are believed.
//!
//! Reads the files that the model names, and nothing else: no sockets. What was parsed is kept in a
//! [`Store`] by content, so a reload that changes no certificate changes no `Arc`, no ticket key and no
//! session cache. A new pair that is bad never replaces one that was good.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::{ClientConfig, ServerConfig};

use crate::config::diagnostic::Report;
use crate::config::model::{Model, Name, Site, UpstreamTls};

pub use coverage::Coverage;
pub use facts::CertificateFacts;
pub use listener::{About, listener_config};
pub use store::{Stage, Store};
pub use tickets::Tickets;
pub use upstream::upstream;

mod coverage;
mod facts;
mod identity;
mod inspect;
mod listener;
mod order;
mod pem;
mod resolver;
mod staple;
mod store;
#[cfg(test)]
mod tests;
mod tickets;
mod upstream;
mod verifier;

/// Every TLS configuration of one model, ready for [`crate::snapshot`](crate) to hand out.
#[derive(Debug, Clone, Default)]
pub struct TlsConfigs {
    /// By listener name; only listeners that terminate TLS.
    pub listeners: BTreeMap<Name, Arc<ServerConfig>>,
    /// Which names may share a connection, by listener name.
    pub coverage: BTreeMap<Name, Arc<Coverage>>,
    /// By pool name; only pools that speak TLS to their servers.
    pub pools: BTreeMap<Name, Arc<ClientConfig>>,
    /// Towards the collector of spans, where it is spoken to over TLS.
    pub collector: Option<Arc<ClientConfig>>,
    /// What is shown, for operators.
    pub certificates: Arc<[CertificateFacts]>,
}

/// Prepares every listener and pool of `model`. All findings go to `report`; the result is complete
/// exactly when `report` has no error afterwards.
pub fn prepare(store: &mut Store, model: &Model, stage: Stage, report: &mut Report) -> TlsConfigs {
    store.begin();
    let mut found = Report::default();
    let mut configs = TlsConfigs::default();
    let expiry = model.lint.cert_expiry;
    for listener in &model.listeners {
        let sites = sites_on(model, &listener.name);
        let about = About { subject: &format!("listen/{}", listener.name), stage, expiry, is_server: true };
        if let Some(config) = listener_config(store, listener, &sites, about, &mut found) {
            configs.listeners.insert(listener.name.clone(), config);
            let coverage = Coverage::of(store, model, listener).map(Arc::new);
            configs.coverage.extend(coverage.map(|one| (listener.name.clone(), one)));
        }
    }
    for pool in model.pools.values() {
        let Some(tls) = &pool.tls else { continue };
        let about = About { subject: &format!("pool/{}", pool.name), stage, expiry, is_server: false };
        if let Some(config) = upstream(store, tls, about, &mut found) {
            configs.pools.insert(pool.name.clone(), config);
        }
        if let Some(authorities) = tls.ca.as_ref().and_then(|ca| store.bundles.now.get(ca)) {
            inspect::unprovable(pool, authorities, &mut found);
        }
    }
    if let Some(tls) = collector(model) {
        let about = About { subject: "trace", stage, expiry, is_server: false };
        configs.collector = upstream(store, tls, about, &mut found);
    }
    configs.certificates = facts::of(store, model);
    report.findings.append(&mut found.findings);
    report.settle();
    configs
}

/// The files that TLS needs, sorted, each once: what the watcher looks at besides the configuration. An answer of an
/// authority is among them also while there is none: it may come.
pub fn inputs(model: &Model) -> Vec<PathBuf> {
    let listeners = model.listeners.iter().filter_map(|l| l.tls.as_ref()).flat_map(|tls| &tls.certificates);
    let sites = model.sites.iter().flat_map(|site| &site.certificates);
    let pools = model.pools.values().filter_map(|pool| pool.tls.as_ref());
    let clients =
        model.listeners.iter().filter_map(|l| Some(l.tls.as_ref()?.client_ca.as_ref()?.file.clone()));
    let authorities = pools.clone().chain(collector(model)).filter_map(|tls| tls.ca.clone()).chain(clients);
    let shown = pools.filter_map(|tls| tls.certificate.as_ref());
    let pairs =
        listeners.clone().chain(sites.clone()).chain(shown).flat_map(|c| [c.chain.clone(), c.key.clone()]);
    let answers = listeners.chain(sites).filter(|c| c.staple).map(|c| staple::path(&c.chain));
    pairs.chain(authorities).chain(answers).collect::<BTreeSet<_>>().into_iter().collect()
}

fn collector(model: &Model) -> Option<&UpstreamTls> {
    model.trace.as_ref()?.collector.tls.as_ref()
}

/// The sites with a route on the listener `name`.
pub fn sites_on<'m>(model: &'m Model, name: &str) -> Vec<&'m Site> {
    let is_on = |site: &&Site| {
        site.routes.iter().any(|route| match &route.on {
            None => true,
            Some(names) => names.iter().any(|on| &**on == name),
        })
    };
    model.sites.iter().filter(is_on).collect()
}
