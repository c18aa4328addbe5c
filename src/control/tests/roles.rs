//! Who may do what: every change, every role.

use super::super::call::Call;
use super::super::dispatch::dispatch;
use super::super::role::{Caller, Role};
use super::*;
use hyper::body::Bytes;

const CHANGES: [(&str, &str, &str, Role); 16] = [
    ("PUT", "/v1/pools/app/servers/a/admin", r#"{"state":"ready"}"#, Role::Operate),
    ("PUT", "/v1/pools/app/servers/a/weight", r#"{"weight":1}"#, Role::Operate),
    ("DELETE", "/v1/pools/app/servers/a/weight", "", Role::Operate),
    ("POST", "/v1/pools/app/servers/a/check", "", Role::Operate),
    ("DELETE", "/v1/operations/op_1", "", Role::Operate),
    ("DELETE", "/v1/sticky/app?key=192.0.2.1", "", Role::Operate),
    ("POST", "/v1/config/reload", "", Role::Admin),
    ("POST", "/v1/config/plan", "{}", Role::Operate),
    ("POST", "/v1/config/plan", r#"{"offer":{"main":""}}"#, Role::Admin),
    ("POST", "/v1/config/apply", "{}", Role::Admin),
    ("POST", "/v1/config/rollback", "{}", Role::Admin),
    ("POST", "/v1/config/confirm", "{}", Role::Admin),
    ("POST", "/v1/config/pin", r#"{"generation":1}"#, Role::Admin),
    ("POST", "/v1/config/unpin", "{}", Role::Admin),
    ("PUT", "/v1/log", "{}", Role::Admin),
    ("POST", "/v1/shutdown", "", Role::Admin),
];

#[test]
fn each_change_needs_its_role() {
    run(async |daemon| {
        for (method, path, body, needed) in CHANGES {
            for role in [Role::Read, Role::Operate, Role::Admin] {
                let (path, query) = path.split_once('?').unwrap_or((path, ""));
                let call = Call {
                    method: method.parse().unwrap(),
                    path: super::super::call::segments(path).unwrap(),
                    query: super::super::call::pairs(query).unwrap(),
                    body: Bytes::from_static(body.as_bytes()),
                    caller: Caller { uid: 7, pid: None, user: Some("ann".into()), role },
                };
                let before = daemon.kinds().len();
                let refused = match dispatch(&daemon.context, &call).await {
                    Ok(_) => false,
                    Err(problem) => problem.status == 403,
                };
                assert_eq!(refused, role < needed, "{method} {path} by {}", role.as_str());
                assert!(!refused || daemon.kinds().len() == before, "what is refused leaves no event");
            }
        }
    });
}

#[test]
fn the_reading_socket_answers_get_alone() {
    run(async |daemon| {
        let api: lbctl::protocol::Api = daemon.reader.get("/v1").await.unwrap();
        assert_eq!(api.role, lbctl::protocol::Role::Read);
        for (method, path, body, _) in CHANGES {
            let reply = daemon.reader.call(method.parse().unwrap(), path, Some(body.into())).await.unwrap();
            assert_eq!(reply.status, 403, "{method} {path}");
        }
        let state: lbctl::protocol::ConfigState = daemon.reader.get("/v1/config").await.unwrap();
        assert!(state.files.is_empty(), "texts are not for everybody");
        assert!(daemon.kinds().is_empty());
    });
}
