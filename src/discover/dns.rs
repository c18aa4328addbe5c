//! Asking: `/etc/hosts` first, then name servers. One question at a time, nothing is cached here: whoever asks
//! knows when an answer ends.
//!
//! Both system files are looked at with each question, so an edit of them holds without a restart, as it does for
//! programs that ask by `getaddrinfo`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Hosts, TokioResolver, config::ResolveHosts, system_conf};

use super::answer::{Answer, Service, Target};
use crate::config::model::{Prefer, Resolver};

/// For a whole question, however many servers and records it takes.
const PATIENCE: Duration = Duration::from_secs(15);
/// For one try at one of the name servers that the configuration names. Those of the system have its own clocks.
const TRY: Duration = Duration::from_secs(2);
/// Hosts of services that are asked for at one time.
const AT_ONCE: usize = 8;
/// Services of one answer that are looked at.
pub(super) const MOST: usize = 256;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The name is not there, or has nothing of this kind.
    Nothing(&'static str),
    /// Nobody could say.
    Unanswered(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing(what) => f.write_str(what),
            Self::Unanswered(why) => f.write_str(why),
        }
    }
}

/// The families of addresses, where they stand in arrays of two.
const FAMILIES: [RecordType; 2] = [RecordType::A, RecordType::AAAA];
const V4: usize = 0;
const V6: usize = 1;

/// What was heard of one family.
#[derive(Debug, Clone)]
enum Heard {
    /// There are some, for so long.
    Found(Vec<IpAddr>, Duration),
    /// There are none.
    Nothing,
    /// Nobody could say; what there was before.
    Failed(String, Vec<IpAddr>),
}

/// What hosts had when they were last heard of, by family: a family that fails alone keeps it.
pub(super) type Memory = RefCell<HashMap<Arc<str>, [Vec<IpAddr>; 2]>>;

/// Addresses, and for how long they hold.
type Addresses = (Vec<IpAddr>, Duration);

/// Who is asked, and how.
pub(super) struct Dns {
    settings: Resolver,
    hosts: PathBuf,
    resolv_conf: PathBuf,
    system: RefCell<System>,
}

/// What was made of the system's files as they were last.
#[derive(Default)]
struct System {
    hosts: (Vec<u8>, Rc<Hosts>),
    resolver: Option<(Vec<u8>, Result<TokioResolver, Failure>)>,
}

impl Dns {
    /// As `settings` say, with the files of this system.
    pub(super) fn new(settings: Resolver) -> Self {
        Self::with_files(settings, "/etc/hosts".into(), "/etc/resolv.conf".into())
    }

    pub(super) fn with_files(settings: Resolver, hosts: PathBuf, resolv_conf: PathBuf) -> Self {
        Self { settings, hosts, resolv_conf, system: RefCell::default() }
    }

    /// What it was made with.
    pub(super) fn settings(&self) -> &Resolver {
        &self.settings
    }

    /// The addresses of a host.
    pub(super) async fn hosts(&self, host: &Arc<str>, memory: &Memory) -> Result<Answer, Failure> {
        let (ips, ttl) = patiently(self.addresses(host, memory)).await?;
        let target = |ip| Target { ip, host: Arc::clone(host), service: None };
        Ok(Answer::new(ips.into_iter().map(target).collect(), ttl))
    }

    /// The services of a name, with the addresses of their hosts. One whose host has none is left out.
    pub(super) async fn services(&self, name: &Arc<str>, memory: &Memory) -> Result<Answer, Failure> {
        patiently(self.services_of(name, memory)).await
    }

    async fn services_of(&self, name: &Arc<str>, memory: &Memory) -> Result<Answer, Failure> {
        let lookup = self.ask(name, RecordType::SRV).await?;
        let mut services: Vec<(Arc<str>, Service)> = Vec::new();
        for record in lookup.answers() {
            // A root target says that there is no such service here (RFC 2782).
            if let RData::SRV(srv) = &record.data
                && !srv.target.is_root()
                && srv.port != 0
            {
                let host = srv.target.to_ascii().trim_end_matches('.').to_ascii_lowercase();
                let service = Service { port: srv.port, weight: srv.weight, priority: srv.priority };
                services.push((host.into(), service));
            }
        }
        services.sort_unstable_by(|a, b| (a.1.priority, &a.0).cmp(&(b.1.priority, &b.0)));
        let beyond = services.len().saturating_sub(MOST);
        services.truncate(MOST);
        let mut hosts: Vec<Arc<str>> = services.iter().map(|(host, _)| Arc::clone(host)).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let asked = futures_util::stream::iter(&hosts)
            .map(async |host| (Arc::clone(host), self.addresses(host, memory).await));
        let found: HashMap<Arc<str>, Result<Addresses, Failure>> =
            asked.buffer_unordered(AT_ONCE).collect().await;
        memory.borrow_mut().retain(|host, _| found.contains_key(host));
        let mut ttl = ttl_of(&lookup);
        let (mut targets, mut failed) = (Vec::new(), None);
        for (host, service) in services {
            match &found[&host] {
                Ok((ips, holds)) => {
                    ttl = ttl.min(*holds);
                    let target = |&ip| Target { ip, host: Arc::clone(&host), service: Some(service) };
                    targets.extend(ips.iter().map(target));
                }
                Err(failure) => failed = Some(failure.clone()),
            }
        }
        match (targets.is_empty(), failed) {
            (true, Some(failure)) => Err(failure),
            (true, None) => Err(Failure::Nothing("no such service")),
            (false, _) => {
                let mut answer = Answer::new(targets, ttl);
                answer.dropped += beyond;
                Ok(answer)
            }
        }
    }

    /// The addresses of a host that are preferred. A family that fails beside one that answers keeps what it had.
    async fn addresses(&self, host: &Arc<str>, memory: &Memory) -> Result<Addresses, Failure> {
        let written = self.written(host).await;
        let family = async |family: usize| match &written {
            Some(families) => families[family].clone(),
            None => self.family(host, family, memory).await,
        };
        let (first, second) = match self.settings.prefer {
            Prefer::Any => {
                let (v4, v6) = tokio::join!(family(V4), family(V6));
                return together(v4, v6);
            }
            Prefer::V4 => (V4, V6),
            Prefer::V6 => (V6, V4),
        };
        match family(first).await {
            Heard::Found(ips, ttl) => Ok((ips, ttl)),
            Heard::Nothing => together(Heard::Nothing, family(second).await),
            Heard::Failed(why, before) if before.is_empty() => match family(second).await {
                Heard::Found(ips, ttl) => Ok((ips, ttl)),
                _ => Err(Failure::Unanswered(why)),
            },
            Heard::Failed(why, _) => Err(Failure::Unanswered(why)),
        }
    }

    /// The addresses of one family.
    async fn family(&self, host: &Arc<str>, family: usize, memory: &Memory) -> Heard {
        let asked = self.ask(host, FAMILIES[family]).await;
        let mut memory = memory.borrow_mut();
        let known = &mut memory.entry(Arc::clone(host)).or_default()[family];
        match asked {
            Ok(lookup) => {
                *known = ips(&lookup);
                if known.is_empty() { Heard::Nothing } else { Heard::Found(known.clone(), ttl_of(&lookup)) }
            }
            Err(Failure::Nothing(_)) => {
                known.clear();
                Heard::Nothing
            }
            Err(Failure::Unanswered(why)) => Heard::Failed(why, known.clone()),
        }
    }

    /// What `/etc/hosts` says of a host.
    async fn written(&self, host: &str) -> Option<[Heard; 2]> {
        let text = tokio::fs::read(&self.hosts).await.unwrap_or_default();
        let hosts = {
            let mut system = self.system.borrow_mut();
            if system.hosts.0 != text {
                let mut hosts = Hosts::default();
                // What can be read of it counts.
                let _ = hosts.read_hosts_conf(text.as_slice());
                system.hosts = (text, Rc::new(hosts));
            }
            Rc::clone(&system.hosts.1)
        };
        let name = Name::from_utf8(host).ok()?;
        let families = FAMILIES.map(|kind| {
            let found = hosts.lookup_static_host(&Query::query(name.clone(), kind));
            match found.as_ref().map(ips).unwrap_or_default() {
                none if none.is_empty() => Heard::Nothing,
                ips => Heard::Found(ips, Duration::MAX),
            }
        });
        families.iter().any(|heard| matches!(heard, Heard::Found(..))).then_some(families)
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Result<Lookup, Failure> {
        let resolver = self.resolver().await?;
        let mut name = Name::from_utf8(name).map_err(|_| Failure::Nothing("no name of DNS"))?;
        // Whoever names the servers names names in full; the system's have its search list.
        name.set_fqdn(!self.settings.name_servers.is_empty());
        resolver.lookup(name, kind).await.map_err(|error| failure(&error, kind))
    }

    async fn resolver(&self) -> Result<TokioResolver, Failure> {
        let text = match self.settings.name_servers.is_empty() {
            true => tokio::fs::read(&self.resolv_conf).await.unwrap_or_default(),
            false => Vec::new(),
        };
        let mut system = self.system.borrow_mut();
        match &system.resolver {
            Some((made_of, resolver)) if *made_of == text => resolver.clone(),
            _ => {
                let made = self.make(&text);
                system.resolver = Some((text, made.clone()));
                made
            }
        }
    }

    fn make(&self, resolv_conf: &[u8]) -> Result<TokioResolver, Failure> {
        let (config, mut options) = match self.settings.name_servers.as_slice() {
            [] => system_conf::parse_resolv_conf(resolv_conf).map_err(|error| {
                let file = self.resolv_conf.display();
                Failure::Unanswered(format!("{file} names no name server: {error}"))
            })?,
            servers => {
                let server = |address: &std::net::SocketAddr| {
                    let connection = |mut connection: ConnectionConfig| {
                        connection.port = address.port();
                        connection
                    };
                    let both = vec![connection(ConnectionConfig::udp()), connection(ConnectionConfig::tcp())];
                    NameServerConfig::new(address.ip(), true, both)
                };
                let config =
                    ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect());
                let mut options = ResolverOpts::default();
                options.timeout = TRY;
                (config, options)
            }
        };
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        builder.build().map_err(|error| Failure::Unanswered(error.to_string()))
    }
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").field("settings", &self.settings).finish_non_exhaustive()
    }
}

async fn patiently<T>(question: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = |_| Failure::Unanswered(format!("no answer within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, question).await.map_err(late)?
}

/// Both families of a host. Nobody's answer to one of them is no answer, unless the other has addresses.
fn together(one: Heard, other: Heard) -> Result<Addresses, Failure> {
    match (one, other) {
        (Heard::Found(mut ips, a), Heard::Found(more, b)) => {
            ips.extend(more);
            Ok((ips, a.min(b)))
        }
        (Heard::Found(mut ips, ttl), Heard::Failed(_, more))
        | (Heard::Failed(_, more), Heard::Found(mut ips, ttl)) => {
            ips.extend(more);
            Ok((ips, ttl))
        }
        (Heard::Found(ips, ttl), Heard::Nothing) | (Heard::Nothing, Heard::Found(ips, ttl)) => Ok((ips, ttl)),
        (Heard::Failed(why, _), _) | (_, Heard::Failed(why, _)) => Err(Failure::Unanswered(why)),
        (Heard::Nothing, Heard::Nothing) => Err(Failure::Nothing("no such name, or it has no address")),
    }
}

fn ips(lookup: &Lookup) -> Vec<IpAddr> {
    lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect()
}

/// For how long all of an answer holds.
fn ttl_of(lookup: &Lookup) -> Duration {
    lookup
        .answers()
        .iter()
        .map(|record| record.ttl)
        .min()
        .map_or(Duration::ZERO, |s| Duration::from_secs(s.into()))
}

fn failure(error: &NetError, kind: RecordType) -> Failure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(_)) => Failure::Nothing(match kind {
            RecordType::SRV => "no such service",
            _ => "no such name",
        }),
        NetError::Dns(DnsError::ResponseCode(code)) => {
            Failure::Unanswered(format!("the name server says {code}"))
        }
        NetError::Timeout => Failure::Unanswered("no name server answered in time".into()),
        other => Failure::Unanswered(format!("no name server answered: {other}")),
    }
}

#[cfg(test)]
mod tests;
