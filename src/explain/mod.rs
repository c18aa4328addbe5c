//! What a configuration would do with requests that nobody sends: for `lbd explain` and `lbd test`.
//!
//! A [`World`] is the model compiled as a daemon compiles it, and asked by the code that serves requests
//! (`proxy/exchange/foresee.rs`). It has no certificates, no checks and no addresses of names: every server takes
//! clients, and what only a running daemon knows is said to be so.

mod answer;
mod coverage;
mod pool;
mod question;
mod render;
mod seed;
mod verify;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

pub use answer::{
    Answer, Branch, Candidate, Field, ListenerTold, Outcome, PathTold, PoolTold, RouteTold, SiteTold,
};
pub use coverage::{Coverage, Part};
pub use question::{Question, STRANGER, Url};
pub use seed::expectations;
pub use verify::{Mismatch, verify};

use crate::config::model::{Listener, Model};
use crate::pool::KeyRing;
use crate::proxy::foresee::Meeting;
use crate::snapshot::{Context, Discovered, ListenerSnap, Snapshot, compile};
use crate::tls::TlsConfigs;

/// A configuration that serves nobody, to be asked.
#[derive(Debug)]
pub struct World {
    model: Model,
    snapshot: Snapshot,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswerable {
    /// What is wrong with it.
    pub what: String,
    /// How to mend it.
    pub help: Option<String>,
}

impl World {
    /// Compiles a model. Fails when the system has no random bytes.
    pub fn of(model: Model) -> io::Result<Self> {
        let mut bare = model.clone();
        for pool in bare.pools.values_mut() {
            pool.tls = None;
            pool.health = None;
        }
        let keys = KeyRing::ephemeral(0)?;
        let context = Context {
            tls: &TlsConfigs::default(),
            previous: &Snapshot::empty(),
            generation: 1,
            keys: &keys,
            workers: 1,
            zone: None,
            discovered: &Discovered::default(),
        };
        let snapshot =
            compile(&bare, &context).map_err(|report| io::Error::other(format!("{:?}", report.findings)))?;
        for pool in snapshot.pools.values() {
            for member in &pool.pool.members {
                // Nobody asks for names here: one that has an address takes clients.
                member.server.set_resolved(vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)]);
            }
        }
        Ok(Self { model, snapshot })
    }

    /// What it means.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What would become of a request, and why.
    pub fn ask(&self, question: &Question) -> Result<Answer, Unanswerable> {
        let request = question.request()?;
        let (listener, why) = self.listener(question, &request)?;
        let snap = self.compiled(listener);
        let meeting = Meeting {
            listener: &snap,
            tls: listener.tls.is_some(),
            peer: SocketAddr::new(question.client_ip, 0),
            local: SocketAddr::new(
                listener.address.ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
                listener.address.port,
            ),
        };
        let seen = meeting.foresee(&request.bytes);
        Ok(answer::Telling {
            world: self,
            question,
            request: &request,
            listener,
            snap: &snap,
            seen: &seen,
            why,
        }
        .answer())
    }

    fn compiled(&self, listener: &Listener) -> Arc<ListenerSnap> {
        let snap = self.snapshot.listener(listener.address);
        Arc::clone(snap.expect("every listener of the model is compiled"))
    }

    /// The listener that would take it, and why it is that one where it is not plain.
    fn listener(
        &self,
        question: &Question,
        request: &question::Request,
    ) -> Result<(&Listener, Option<String>), Unanswerable> {
        let all = &self.model.listeners;
        let names = || all.iter().map(|l| &*l.name).collect::<Vec<_>>();
        if let Some(name) = &question.listener {
            let found = all.iter().find(|l| *l.name == **name || l.address.to_string() == *name);
            return found.map(|l| (l, None)).ok_or_else(|| Unanswerable {
                what: format!("no listener is named `{name}`"),
                help: Some(crate::config::suggest::help(name, "listeners", names())),
            });
        }
        let http = || all.iter().filter(|l| l.speaks_http());
        let fits = |l: &&Listener| request.https.is_none_or(|https| l.tls.is_some() == https);
        if let Some(port) = request.port {
            let there = || http().filter(|l| l.address.port == port);
            let found = there().find(fits).or_else(|| there().next());
            if let Some(found) = found {
                return Ok((found, (!fits(&found)).then(|| format!("the only one on port {port}"))));
            }
            if request.explicit_port {
                return Err(Unanswerable {
                    what: format!("no listener is on port {port}"),
                    help: Some(format!("listeners: {}; or name one: --listener NAME", names().join(", "))),
                });
            }
        }
        let serving = || http().filter(|l| l.redirect_to_https.is_none());
        let found = serving().find(fits).or_else(|| serving().next()).or_else(|| http().next());
        let why = request
            .port
            .map(|port| format!("none is on port {port}: what stands before it brings the request here"));
        found.map(|l| (l, why)).ok_or_else(|| Unanswerable {
            what: "no listener speaks HTTP".to_owned(),
            help: Some("connections to `tcp` listeners are passed on unread".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests;
