//! Changes of the configuration, as they are asked for and refused.

use super::*;
use lbctl::protocol::Planned;

#[test]
fn a_change_is_handed_on_audited_and_answered() {
    run(async |daemon| {
        let body = r#"{"offer":{"main":"listen 80"},"confirm_within":"5m","reason":"a test"}"#;
        let reply = daemon.client.call(Method::POST, "/v1/config/apply", Some(body.into())).await.unwrap();
        let done: Planned = reply.read().unwrap();
        assert!(!done.changed && done.wanted.is_empty());
        let asked = daemon.world.asked.borrow().clone();
        assert!(
            asked[0].starts_with("apply by ") && asked[0].ends_with("confirm true force false"),
            "{asked:?}"
        );
        assert_eq!(daemon.kinds(), ["config.apply"]);
        let event = daemon.context.events.since(0)[0].clone();
        assert_eq!((event.data["reason"].as_str(), event.actor.is_some()), (Some("a test"), true));
    });
}

#[test]
fn each_refusal_has_its_kind_and_its_exit_code() {
    run(async |daemon| {
        let refused = async |verb: &str, body: &str| {
            daemon.refused(Method::POST, &format!("/v1/config/{verb}"), body).await
        };
        assert_eq!(refused("rollback", r#"{"to":1}"#).await, ("not-found".into(), 404, 5));
        assert_eq!(refused("confirm", "{}").await, ("conflict".into(), 409, 1));
        assert_eq!(refused("apply", r#"{"confirm_within":"soon"}"#).await, ("bad-request".into(), 400, 2));
        assert_eq!(refused("apply", r#"{"max_errors":101}"#).await, ("bad-request".into(), 400, 2));
        assert_eq!(refused("apply", r#"{"unknown":1}"#).await, ("bad-request".into(), 400, 2));
        assert_eq!(refused("pin", "{}").await, ("bad-request".into(), 400, 2));
        daemon.world.broken.set(true);
        assert_eq!(refused("plan", "{}").await, ("config-rejected".into(), 422, 1));
        let problem = daemon.problem(Method::POST, "/v1/config/apply", "{}").await;
        assert_eq!(problem.rendered.as_deref(), Some("the whole report\n"));
        let wrong = daemon.refused(Method::GET, "/v1/config/apply", "").await;
        assert_eq!(wrong, ("method-not-allowed".into(), 405, 2));
    });
}

#[test]
fn what_is_different_is_not_told_to_those_who_only_look() {
    run(async |daemon| {
        let _: Planned = daemon.get("/v1/config/diff?from=41&to=42").await;
        for path in ["/v1/config/diff", "/v1/config/generations/42/files"] {
            assert_eq!(daemon.reader.call(Method::GET, path, None).await.unwrap().status, 403, "{path}");
        }
        assert!(daemon.kinds().is_empty(), "looking is no change");
    });
}
