//! `tcp` inside `listen`: pools that exist, names that are told apart, and nothing that can never happen.

use std::collections::BTreeMap;

use super::super::ast::listen::Listen;
use super::super::ast::tcp::Tcp;
use super::super::ast::timeout;
use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::{Listener, Name, Pool, TcpRoute};
use super::super::reader::{Block, Cx};
use super::super::suggest;
use super::Written;

/// Gives each listener its `tcp`, sorted by name, the one without a name last.
pub(super) fn resolve(
    cx: &Cx<'_>,
    root: Block<'_>,
    written: &Written<'_>,
    listeners: &mut [Listener],
    pools: &BTreeMap<Name, Pool>,
) {
    let defaults = timeout::defaults(Block::empty_in(cx, "pool"));
    for listen in &written.listens {
        alone(cx, listen);
        names_once(cx, listen);
        let mut routes: Vec<TcpRoute> = Vec::new();
        for tcp in &listen.tcp {
            let Some(name) = &tcp.pool else { continue };
            if !pools.contains_key(&name.value) && !root.may_define("pool", &name.value) {
                cx.push(unknown_pool(&name.value, name.span, pools));
            }
            let clocks = written.pools.iter().find(|pool| pool.pool.name == name.value).map(|p| p.clocks);
            routes.push(TcpRoute {
                sni: tcp.sni.as_ref().map(|sni| sni.value.as_str().into()),
                pool: name.value.clone(),
                timeout: clocks.unwrap_or_default().over(defaults),
            });
        }
        routes.sort_by(|a, b| (a.sni.is_none(), &a.sni).cmp(&(b.sni.is_none(), &b.sni)));
        if let Some(listener) = listeners.iter_mut().find(|l| l.name == listen.listener.name) {
            listener.tcp = routes;
        }
    }
    no_requests(cx, written);
}

fn unknown_pool(name: &str, span: Span, pools: &BTreeMap<Name, Pool>) -> Diagnostic {
    let all = || pools.keys().map(AsRef::as_ref);
    let error = Diagnostic::error("LB103", span, format!("no pool is named `{name}`")).label("unknown pool");
    let error = error.help(suggest::help(name, "pools", all()));
    match suggest::closest(name, all()) {
        Some(near) => error.fix(span, near),
        None => error,
    }
}

/// LB105: two `tcp` of one listener for the same connections.
fn names_once(cx: &Cx<'_>, listen: &Listen<'_>) {
    let mut seen: BTreeMap<Option<&str>, Span> = BTreeMap::new();
    for tcp in &listen.tcp {
        let (sni, at) = match &tcp.sni {
            Some(sni) => (Some(sni.value.as_str()), sni.span),
            None => (None, tcp.span),
        };
        let Some(first) = seen.insert(sni, at) else { continue };
        let (message, help) = match sni {
            Some(sni) => (format!("two `tcp` take `{sni}`"), "remove one of them"),
            None => ("two `tcp` take every connection".to_owned(), "give one of them `sni=`"),
        };
        let error = Diagnostic::error("LB105", at, message).label("again here");
        cx.push(error.also(first, "first here").help(help));
    }
}

/// LB210: a listener on which something else than `tcp` would take, or would never get, the connection.
fn alone(cx: &Cx<'_>, listen: &Listen<'_>) {
    let Some(first) = listen.tcp.first() else { return };
    let block = listen.reader.block();
    if let Some(redirect) = block.one("redirect-to-https") {
        let error = Diagnostic::error("LB210", redirect.span(), "`redirect-to-https` beside `tcp`");
        let error = error.label("no request is read here").also(first.span, "bytes are passed on");
        cx.push(error.help("remove one of them, or redirect on another listener"));
    }
    let takes_all = |tcp: &&Tcp| tcp.sni.is_none();
    if let (Some(tls), Some(all)) = (block.one("tls"), listen.tcp.iter().find(takes_all)) {
        let error = Diagnostic::error("LB210", all.span, "this `tcp` leaves nothing for `tls`");
        let error = error.label("takes every connection").also(tls.span(), "never reached");
        cx.push(error.help("give it `sni=`, or remove `tls`: passed bytes keep the client's TLS"));
    }
}

/// LB108: a site or route on a listener that reads no requests.
fn no_requests(cx: &Cx<'_>, written: &Written<'_>) {
    let silent = |name: &str| {
        let listen = written.listens.iter().find(|listen| listen.listener.name.as_ref() == name)?;
        (listen.listener.tls.is_none() && !listen.tcp.is_empty()).then(|| listen.tcp[0].span)
    };
    for site in &written.sites {
        let routes = site.routes.iter().filter_map(|route| route.on.as_ref());
        for name in site.on.iter().chain(routes).flatten() {
            let Some(tcp) = silent(&name.value) else { continue };
            let message = format!("listener `{}` reads no requests", name.value);
            let error = Diagnostic::error("LB108", name.span, message).label("never reached");
            cx.push(error.also(tcp, "it passes bytes on").help("name an HTTP listener, or remove it here"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::model::SendProxy;
    use super::super::super::testing::{BASE, errors, good};

    const TLS: &str = "tls { certificate \"a.pem\"; };";

    #[test]
    fn a_tcp_has_its_pool_its_name_and_the_clocks_of_its_pool() {
        let model = good(&format!(
            "{BASE}listen \":81\" {{ tcp pool=app; tcp pool=b sni=\"*.B.example\"; proxy-protocol \"10.9.0.0/24\" timeout=\"1s\"; }}\n\
             pool b {{ server \"10.0.0.2:1\"; timeout connect=\"2s\" tunnel-idle=\"9s\"; connections send-proxy=v1; }}"
        ));
        let listener = model.listeners.iter().find(|l| l.address.port == 81).unwrap();
        let [named, rest] = listener.tcp.as_slice() else { panic!("{:?}", listener.tcp) };
        assert_eq!((named.sni.as_deref(), named.pool.as_ref()), (Some("*.b.example"), "b"));
        assert_eq!((rest.sni.as_deref(), rest.pool.as_ref()), (None, "app"));
        let seconds = Duration::from_secs;
        assert_eq!((named.timeout.connect, named.timeout.tunnel_idle), (seconds(2), Some(seconds(9))));
        assert_eq!((rest.timeout.connect, rest.timeout.tunnel_idle), (seconds(5), Some(seconds(3600))));
        let proxy = listener.proxy_protocol.as_ref().unwrap();
        assert_eq!(proxy.timeout, seconds(1));
        assert!(proxy.is_due_from("10.9.0.7".parse().unwrap()));
        assert!(proxy.is_due_from("::ffff:10.9.0.7".parse().unwrap()), "the same address on a dual socket");
        assert!(!proxy.is_due_from("10.9.1.7".parse().unwrap()));
        assert_eq!(model.pools["b"].connections.send_proxy, Some(SendProxy::V1));
        assert_eq!(model.pools["app"].connections.send_proxy, None);
        assert!(!listener.speaks_http());
    }

    #[test]
    fn each_tcp_leads_somewhere_and_takes_something() {
        let listen = |inside: &str| format!("listen \":81\" name=raw {{ {inside} }}");
        errors(&listen("tcp pool=app;"), &[]);
        errors(&listen("tcp;"), &["LB102 4"]);
        errors(&listen("tcp pool=ap;"), &["LB103 4"]);
        errors(&listen("tcp pool=app; tcp pool=app;"), &["LB105 4"]);
        errors(&listen("tcp pool=app sni=a.test; tcp pool=app sni=A.test;"), &["LB105 4"]);
        errors(&listen("tcp pool=app sni=a.test; tcp pool=app;"), &[]);
        errors(&listen("tcp pool=app; redirect-to-https;"), &["LB210 4"]);
        errors(&listen(&format!("tcp pool=app; {TLS}")), &["LB210 4"]);
        errors(&listen(&format!("tcp pool=app sni=a.test; {TLS}")), &[]);
        errors(&listen("proxy-protocol;"), &["LB102 4"]);
    }

    #[test]
    fn a_listener_that_passes_bytes_on_has_no_sites() {
        let on = |inside: &str| {
            format!(
                "listen \":81\" name=raw {{ tcp pool=app sni=a.test; {inside} }}\n\
                 site b.test {{ on raw; route \"/\" pool=app; }}\n\
                 route \"/x\" pool=app {{ on raw; }}"
            )
        };
        errors(&on(""), &["LB108 5", "LB108 6"]);
        errors(&on(TLS), &[]);
    }
}
