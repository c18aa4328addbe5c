//! Tables and cookies.

use super::*;
use crate::pool::{ClientTable, ServerId, Sticky, TablePolicy};
use lbctl::protocol::{
    StickyCleared, StickyEntries, StickyImported, StickyLine, StickyLookup, StickyMoved, StickyTable,
};

fn policy(pool: &Pool) -> &TablePolicy {
    pool.sticky.iter().find_map(Sticky::table_policy).expect("the pool has a table")
}

fn table(pool: &Pool) -> &ClientTable {
    &policy(pool).table
}

fn fill(pool: &Pool) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    for (ip, server, idle) in [("203.0.113.1", "a", 0), ("203.0.113.2", "a", 600), ("198.51.100.7", "b", 60)]
    {
        let key = policy(pool).by.of_text(ip).unwrap();
        table(pool).put(key, ServerId::of(server), now - idle);
    }
}

#[test]
fn tables_are_listed_and_shown() {
    run(async |daemon| {
        fill(&daemon.world.pool("app"));
        let tables: Vec<StickyTable> = daemon.get("/v1/sticky").await;
        assert_eq!(tables.len(), 2);
        assert_eq!((tables[0].cookie.as_deref(), tables[0].entries), (Some("LBD"), None));
        assert_eq!(
            (tables[1].entries, tables[1].limit, tables[1].ttl_ms),
            (Some(3), Some(1000), Some(1_800_000))
        );
        let shown = async |query: &str| {
            let entries: StickyEntries = daemon.get(&format!("/v1/sticky/app?{query}")).await;
            (entries.entries.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>(), entries.total)
        };
        let check = async |query: &str, keys: &[&str], total: u64| {
            assert_eq!(
                shown(query).await,
                (keys.iter().map(|key| (*key).to_owned()).collect(), total),
                "{query}"
            );
        };
        check("", &["203.0.113.1", "198.51.100.7", "203.0.113.2"], 3).await;
        check("limit=1", &["203.0.113.1"], 3).await;
        check("server=a", &["203.0.113.1", "203.0.113.2"], 2).await;
        check("older=5m", &["203.0.113.2"], 1).await;
        check("key=198.51.100.7", &["198.51.100.7"], 1).await;
        check("key=192.0.2.1", &[], 0).await;
        let short: StickyEntries = daemon.reader.get("/v1/sticky/app?limit=1").await.unwrap();
        assert_eq!(short.entries[0].key, "203.0.x.x");
        for bad in ["key=x", "older=x", "limit=x"] {
            let refused = daemon.refused(Method::GET, &format!("/v1/sticky/app?{bad}"), "").await;
            assert_eq!(refused, ("bad-request".into(), 400, 2), "{bad}");
        }
        let none = daemon.refused(Method::GET, "/v1/sticky/app?server=x", "").await;
        assert_eq!(none, ("not-found".into(), 404, 5));
    });
}

#[test]
fn entries_move_to_another_server() {
    run(async |daemon| {
        let app = daemon.world.pool("app");
        fill(&app);
        let shift = async |body: &str| -> u64 {
            let path = "/v1/sticky/app/move";
            let reply = daemon.client.call(Method::POST, path, Some(body.into())).await.unwrap();
            reply.read::<StickyMoved>().unwrap().moved
        };
        let at = |ip: &str| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            let key = policy(&app).by.of_text(ip).unwrap();
            table(&app).get(key, now).unwrap().server
        };
        assert_eq!(shift(r#"{"from":"a","to":"c","dry_run":true}"#).await, 2);
        assert_eq!((at("203.0.113.1"), daemon.kinds().len()), (ServerId::of("a"), 0), "a dry run");
        assert_eq!(shift(r#"{"from":"a","to":"c","count":1,"reason":"test"}"#).await, 1);
        assert_eq!(at("203.0.113.2"), ServerId::of("c"), "idle longest");
        assert_eq!(at("203.0.113.1"), ServerId::of("a"));
        assert_eq!(daemon.context.events.since(0)[0].data["reason"], "test");
        assert_eq!(shift(r#"{"from":"gone","to":"c"}"#).await, 0);
        for (body, kind) in [
            (r#"{"from":"a","to":"a"}"#, ("bad-request", 400, 2)),
            (r#"{"from":"a","to":"x"}"#, ("not-found", 404, 5)),
            (r#"{"from":"a"}"#, ("bad-request", 400, 2)),
        ] {
            let refused = daemon.refused(Method::POST, "/v1/sticky/app/move", body).await;
            assert_eq!(refused, (kind.0.into(), kind.1, kind.2), "{body}");
        }
    });
}

#[test]
fn entries_are_exported_and_imported() {
    run(async |daemon| {
        let app = daemon.world.pool("app");
        fill(&app);
        let mut lines = daemon.client.lines("/v1/sticky/app/export").await.unwrap();
        let mut exported = Vec::new();
        while let Some(line) = lines.next::<StickyLine>().await.unwrap() {
            exported.push(line);
        }
        assert_eq!(exported.len(), 3);
        assert!(exported.iter().any(|line| line.key == "203.0.113.1" && line.server == "a"));
        assert!(
            daemon.reader.lines("/v1/sticky/app/export").await.is_err(),
            "whole keys are not for readers"
        );
        table(&app).clear(|_| true);
        let body = |lines: &[StickyLine]| -> String {
            lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
        };
        let import = async |body: String| -> u64 {
            let path = "/v1/sticky/app/import";
            let reply = daemon.client.call(Method::POST, path, Some(body.into())).await.unwrap();
            reply.read::<StickyImported>().unwrap().imported
        };
        let mut bad = exported.clone();
        bad[2].server = "x".into();
        for wrong in [body(&bad), body(&exported) + "x\n", body(&exported).replace("source-ip", "header")] {
            let refused = daemon.refused(Method::POST, "/v1/sticky/app/import", &wrong).await;
            assert_eq!(refused, ("bad-request".into(), 400, 2), "{wrong}");
            assert!(table(&app).is_empty(), "all or nothing");
        }
        assert_eq!(import(body(&exported)).await, 3);
        assert_eq!(table(&app).len(), 3);
        let sorted: StickyEntries = daemon.get("/v1/sticky/app?sort=age").await;
        assert_eq!(sorted.entries[0].key, "203.0.113.2", "the oldest");
    });
}

#[test]
fn a_key_is_looked_up() {
    run(async |daemon| {
        let app = daemon.world.pool("app");
        fill(&app);
        let ask = async |key: &str| -> (String, Option<String>) {
            let found: StickyLookup =
                daemon.get(&format!("/v1/sticky/app?lookup={}", lbctl::client::encode(key))).await;
            (found.kind, found.server)
        };
        assert_eq!(ask("198.51.100.7").await, ("source-ip".into(), Some("b".into())));
        assert_eq!(ask("192.0.2.1").await, ("source-ip".into(), None));
        assert_eq!(ask("forged").await, ("cookie".into(), None));
        let mut visitor = crate::pool::testing::Client::default();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let home = visitor.ask(&app, &[], now).unwrap().lease.name.to_string();
        let cookie = String::from_utf8(visitor.cookies[0].1.clone()).unwrap();
        assert_eq!(ask(&cookie).await, ("cookie".into(), Some(home)));
    });
}

#[test]
fn entries_are_cleared_by_what_they_are() {
    run(async |daemon| {
        let app = daemon.world.pool("app");
        let clear = async |query: &str| -> u64 {
            let path = format!("/v1/sticky/app?{query}");
            daemon.client.ask::<StickyCleared>(Method::DELETE, &path).await.unwrap().cleared
        };
        fill(&app);
        assert_eq!(clear("server=a&dry_run=true").await, 2);
        assert_eq!((table(&app).len(), daemon.kinds().len()), (3, 0), "a dry run changes nothing");
        assert_eq!(clear("key=203.0.113.1").await, 1);
        assert_eq!(clear("older=5m").await, 1);
        assert_eq!(clear("server=a").await, 0);
        assert_eq!(clear("all=true&reason=test").await, 1);
        assert!(table(&app).is_empty());
        assert_eq!(daemon.context.events.since(3)[0].data["reason"], "test");
        for bad in ["", "all=false", "all=true&server=a"] {
            let refused = daemon.refused(Method::DELETE, &format!("/v1/sticky/app?{bad}"), "").await;
            assert_eq!(refused, ("bad-request".into(), 400, 2), "{bad}");
        }
    });
}
