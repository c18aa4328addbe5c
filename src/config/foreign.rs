//! Words of HAProxy, nginx and Envoy that people bring along, and what is written here instead.

/// Nodes.
const NODES: &[(&str, &str)] = &[
    ("acl", "conditions stand in the route: `route \"/api\" pool=api { match { header x-canary; }; }`"),
    ("backend", "a backend is a pool: `pool app { server \"10.0.0.1:8080\"; }`"),
    ("bind", "an address to listen on is `listen \":80\"`"),
    ("cluster", "a cluster is a pool: `pool app { server \"10.0.0.1:8080\"; }`"),
    ("clusters", "a cluster is a pool: `pool app { server \"10.0.0.1:8080\"; }`"),
    ("default_backend", "what takes every other request is `route \"/\" pool=app`"),
    ("events", "nothing needs to be said of this"),
    ("frontend", "a frontend is a listener and its routes: `listen \":80\"` and `route \"/\" pool=app`"),
    ("global", "what is for the whole process stands at the top level: `limits`, `log`, `control`"),
    ("http", "its content stands at the top level"),
    (
        "http-request",
        "this is `request-headers`, `rewrite`, `redirect`, `respond` or `allow-from` of a route",
    ),
    ("http-response", "this is `response-headers` of a route or a site"),
    ("ip_hash", "this is `sticky source-ip` in the pool"),
    ("least_conn", "this is `balance least-connections` in the pool"),
    ("location", "a location is a route: `route \"/api\" pool=api`"),
    ("maxconn", "this is `limits max-connections=`, or `max-connections=` of a server"),
    (
        "mode",
        "listeners speak HTTP; for connections that are passed on as they are: `listen \":25\" { tcp pool=mail; }`",
    ),
    ("option", "checks are `health \"/ready\"` in a pool; X-Forwarded-For and redispatch need no setting"),
    ("proxy_pass", "a route names its pool: `route \"/\" pool=app`"),
    ("proxy_set_header", "this is `request-headers { set x-name \"value\"; }`"),
    ("return", "this is `respond 404`, or `redirect \"https://{host}{path}\"`"),
    ("server_name", "hosts are `site \"shop.example.com\" { route \"/\" pool=app; }`"),
    ("stick", "this is `sticky source-ip` in the pool"),
    ("stick-table", "this is `sticky source-ip` in the pool"),
    ("upstream", "an upstream is a pool: `pool app { server \"10.0.0.1:8080\"; }`"),
    ("use_backend", "a route names its pool: `route \"/api\" pool=api`"),
    ("virtual_hosts", "hosts are `site \"shop.example.com\" { route \"/\" pool=app; }`"),
    ("worker_processes", "this is `lbd run --workers`"),
];

/// Words behind a node or one of its properties.
const WORDS: &[(&str, &str, &str)] = &[
    ("balance", "first", "the pool's servers share the load; those for need are `backup=#true`"),
    ("balance", "leastconn", "write `least-connections`"),
    ("balance", "least_conn", "write `least-connections`"),
    ("balance", "ip_hash", "write `sticky source-ip`, or `balance hash key=source-ip`"),
    ("balance", "ring_hash", "write `hash`, with a `key=`"),
    ("balance", "source", "write `sticky source-ip`, or `balance hash key=source-ip`"),
    ("balance", "static-rr", "write `round-robin`"),
    ("balance", "uri", "write `balance hash key=path`"),
    ("server", "check", "checks are the pool's: `health \"/ready\"`, or `health tcp`"),
    ("server", "fall", "checks are the pool's: `health \"/ready\" fall=3`"),
    ("server", "inter", "checks are the pool's: `health \"/ready\" interval=\"5s\"`"),
    ("server", "maxconn", "this is `max-connections=`"),
    ("server", "rise", "checks are the pool's: `health \"/ready\" rise=2`"),
    ("server", "ssl", "TLS to servers is the pool's: `tls ca=\"ca.pem\"`"),
    ("server", "verify", "TLS to servers is the pool's: `tls ca=\"ca.pem\"`"),
];

/// What is written in place of a node.
pub(super) fn node(name: &str) -> Option<&'static str> {
    NODES.iter().find(|(word, _)| *word == name).map(|(_, here)| *here)
}

/// What is written in place of a word or a property of a node.
pub(super) fn word(node: &str, word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(of, known, _)| (*of, *known) == (node, word)).map(|(.., here)| *here)
}

/// Sections of a `haproxy.cfg`.
pub(super) fn is_haproxy(node: &str) -> bool {
    ["global", "frontend", "backend"].contains(&node)
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::super::testing::{BASE, findings, load_text};
    use super::*;
    use crate::config::diagnostic::Severity;

    #[test]
    fn words_of_others_are_no_words_of_ours_where_they_would_stand() {
        for (word, _) in NODES {
            assert!(schema::SCHEMA.iter().all(|spec| spec.name != *word), "{word}");
        }
        for (of, word, _) in WORDS {
            let spec = schema::SCHEMA.iter().find(|spec| spec.name == *of).unwrap();
            assert!(spec.prop(word).is_none(), "{of} {word}");
        }
    }

    #[track_caller]
    fn helps(text: &str, expected: &str) {
        let report = load_text(text).report;
        let all: Vec<_> = report.findings.iter().flat_map(|found| &found.help).collect();
        assert!(all.iter().any(|help| help.contains(expected)), "{text}\n{all:#?}");
    }

    #[test]
    fn who_comes_from_another_balancer_is_told_the_words_here() {
        helps("frontend web {\n  bind \":80\"\n}", "`lbd import haproxy.cfg`");
        helps("upstream app { server \"10.0.0.1:80\"; }", "an upstream is a pool");
        helps("location \"/\" { proxy_pass \"http://app\"; }", "a location is a route");
        let pool = |inside: &str| BASE.replace("health tcp;", inside);
        helps(&pool("balance leastconn;"), "write `least-connections`");
        helps(&pool("balance source;"), "`sticky source-ip`");
        helps(&BASE.replace("8080\"", "8080\" check"), "checks are the pool's: `health");
        helps(&BASE.replace("8080\"", "8080\" inter=2000"), "interval=");
        helps(&BASE.replace("pool=app", "{ pool app; }"), "`pool` is a property of `route`: `pool=app`");
        helps(&BASE.replace("pool=app", "app"), "a pool is named by `pool=app`");
        helps(&format!("{BASE}route \"~ ^/v[0-9]\" pool=app"), "(regex)#\"^/v[0-9]\"#");
        helps(&format!("{BASE}route \"/x\" pool=app {{ match header x-a; }}"), "`match { header …; }`");
    }

    #[test]
    fn one_mistake_is_said_once() {
        let check = |text: &str, expected: &[&str]| {
            let mut found = findings(text, Severity::Error);
            found.extend(findings(text, Severity::Warning));
            found.extend(findings(text, Severity::Hint));
            assert_eq!(found, expected, "{text}");
        };
        // What is missing follows from what is unknown.
        check("frontend web { bind \":80\"; }\nbackend app", &["LB101 1", "LB101 2"]);
        check("", &["LB801 1", "LB801 1"]);
        check(&BASE.replace("pool=app", "{ pool app; }"), &["LB101 3"]);
        check(&BASE.replace("pool=app", "redirect=\"/x\""), &["LB101 3"]);
        check(&BASE.replace("pool=app", "app"), &["LB205 3"]);
        check(&BASE.replace("pool=app", ""), &["LB203 3"]);
        check(&BASE.replace("\"/\"", "/"), &["KDL004 3"]);
        check(&BASE.replace("8080\"", "8080\" check"), &["LB102 2"]);
        check(&BASE.replace("\":80\"", "':80'"), &["KDL014 1"]);
        check(&BASE.replace("\":80\"", "“:80”"), &["KDL014 1"]);
    }
}
