//! Questions begun, kept and ended; what pools get of them. The answers come from a hosts file.

use std::path::Path;

use super::*;
use crate::config::testing::good;
use crate::pool::KeyRing;
use crate::snapshot::{Context, compile};
use crate::tls::TlsConfigs;

/// A pool `app` of this.
fn model(pool: &str) -> Model {
    good(&format!("listen \":80\"\npool app {{ {pool}; health tcp; }}\nroute \"/\" pool=app\n"))
}

fn compiled(model: &Model, discovered: &Discovered, previous: &Snapshot) -> Snapshot {
    let context = Context {
        tls: &TlsConfigs::default(),
        previous,
        generation: 1,
        keys: &KeyRing::ephemeral(0).unwrap(),
        workers: 1,
        zone: None,
        discovered,
    };
    compile(model, &context).unwrap()
}

/// Publishes as the daemon does.
fn publish(discovery: &Discovery, model: &Model, previous: &Snapshot) -> Snapshot {
    let next = compiled(model, &discovery.servers(model, previous), previous);
    discovery.reconcile(model, &next);
    discovery.tell(previous, &next);
    next
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.pools["app"].pool.members.iter().map(|member| &*member.server.name).collect()
}

/// Those that are held.
fn unnamed(snapshot: &Snapshot) -> Vec<&str> {
    let members = snapshot.pools["app"].pool.members.iter();
    let held = members.filter(|member| member.origin.as_ref().is_some_and(|origin| origin.unnamed));
    held.map(|member| &*member.server.name).collect()
}

async fn changed(discovery: &Discovery) {
    tokio::time::timeout(Duration::from_secs(60), discovery.changed()).await.expect("an answer in time");
}

/// Runs with a discovery that hears from the file that it is given.
fn run(test: impl AsyncFnOnce(Rc<Discovery>, &Path)) {
    let dir = tempfile::tempdir().unwrap();
    let (hosts, resolv_conf) = (dir.path().join("hosts"), dir.path().join("resolv.conf"));
    std::fs::write(&hosts, "10.0.0.1 app.test\n10.0.0.2 app.test\n").unwrap();
    let discovery = Discovery::new(Events::new());
    let dns = Dns::with_files(Resolver::default(), hosts.clone(), resolv_conf);
    discovery.shared.dns.replace(Rc::new(dns));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test(discovery, &hosts));
}

#[test]
fn a_name_gives_servers_as_soon_as_it_is_answered_and_says_so() {
    run(async |discovery, _| {
        let model = model("discover \"app.test:80\"");
        let first = publish(&discovery, &model, &Snapshot::empty());
        assert_eq!(names(&first), [""; 0]);
        changed(&discovery).await;
        let second = publish(&discovery, &model, &first);
        assert_eq!(names(&second), ["10.0.0.1:80", "10.0.0.2:80"]);
        let member = &second.pools["app"].pool.members[0];
        assert_eq!(member.origin.as_ref().map(|origin| &*origin.source), Some("app.test:80"));
        let events = discovery.shared.events.since(0);
        let said: Vec<_> = events.iter().map(|event| (event.kind, event.subject.as_str())).collect();
        let kind = "server.discovered";
        assert_eq!(said, [(kind, "app/10.0.0.1:80"), (kind, "app/10.0.0.2:80")]);
    });
}

#[test]
fn a_pool_keeps_what_it_found_until_another_name_is_answered() {
    run(async |discovery, hosts| {
        let before = model("discover \"app.test:80\"");
        let empty = publish(&discovery, &before, &Snapshot::empty());
        changed(&discovery).await;
        let full = publish(&discovery, &before, &empty);
        let after = model("discover \"other.test:80\"");
        let kept = publish(&discovery, &after, &full);
        assert_eq!(names(&kept), ["10.0.0.1:80", "10.0.0.2:80"]);
        // That nobody answers is no answer either.
        changed(&discovery).await;
        assert_eq!(discovery.unresolved()[0].name.as_ref(), "other.test");
        let kept = publish(&discovery, &after, &kept);
        assert_eq!(names(&kept), ["10.0.0.1:80", "10.0.0.2:80"]);
        std::fs::write(hosts, "10.0.0.3 other.test\n").unwrap();
        changed(&discovery).await;
        assert_eq!(names(&publish(&discovery, &after, &kept)), ["10.0.0.3:80"]);
        assert_eq!(discovery.unresolved(), []);
    });
}

#[test]
fn a_pool_that_turns_to_a_name_is_not_empty_until_that_is_answered() {
    run(async |discovery, _| {
        let before = model("server one \"10.0.0.9:80\"");
        let named = publish(&discovery, &before, &Snapshot::empty());
        let after = model("discover \"app.test:80\"");
        let kept = publish(&discovery, &after, &named);
        assert_eq!(names(&kept), ["one"]);
        let server = |snapshot: &Snapshot| Arc::clone(&snapshot.pools["app"].pool.members[0].server);
        assert!(Arc::ptr_eq(&server(&named), &server(&kept)), "the very same, with its health");
        changed(&discovery).await;
        assert_eq!(names(&publish(&discovery, &after, &kept)), ["10.0.0.1:80", "10.0.0.2:80"]);
    });
}

#[test]
fn a_name_without_an_answer_empties_a_pool_only_when_it_is_told_to() {
    run(async |discovery, hosts| {
        let text = |on_failure| {
            format!("discover \"app.test:80\" refresh=\"1s\" hold=\"0s\" on-failure={on_failure}")
        };
        let (keep, empty) = (model(&text("keep-last")), model(&text("empty")));
        let none = publish(&discovery, &keep, &Snapshot::empty());
        changed(&discovery).await;
        let full = publish(&discovery, &keep, &none);
        std::fs::write(hosts, "").unwrap();
        changed(&discovery).await;
        let kept = publish(&discovery, &keep, &full);
        assert_eq!(names(&kept), ["10.0.0.1:80", "10.0.0.2:80"]);
        let emptied = publish(&discovery, &empty, &kept);
        assert_eq!(names(&emptied), [""; 0]);
        let kinds: Vec<_> = discovery.shared.events.since(2).iter().map(|event| event.kind).collect();
        assert_eq!(kinds, ["resolver.failed", "server.gone", "server.gone"]);
        std::fs::write(hosts, "10.0.0.1 app.test\n").unwrap();
        changed(&discovery).await;
        assert_eq!(names(&publish(&discovery, &empty, &emptied)), ["10.0.0.1:80"]);
    });
}

#[test]
fn what_the_file_names_is_not_found_a_second_time() {
    run(async |discovery, _| {
        let model = model("server one \"10.0.0.1:80\" weight=5; discover \"app.test:80\"");
        let first = publish(&discovery, &model, &Snapshot::empty());
        changed(&discovery).await;
        let second = publish(&discovery, &model, &first);
        assert_eq!(names(&second), ["one", "10.0.0.2:80"]);
        assert_eq!(second.pools["app"].pool.members[0].weight, 5);
    });
}

#[test]
fn a_server_whose_host_is_a_name_learns_its_addresses_and_goes_on_asking_undisturbed() {
    run(async |discovery, hosts| {
        let model = model("server one \"app.test:80\"");
        let first = publish(&discovery, &model, &Snapshot::empty());
        let server = Arc::clone(&first.pools["app"].pool.members[0].server);
        let mut news = discovery.shared.events.subscribe();
        assert_eq!(server.endpoint(), None);
        tokio::time::timeout(Duration::from_secs(60), news.changed()).await.unwrap().unwrap();
        assert_eq!(server.addresses().len(), 2);
        let cell = || Rc::as_ptr(&discovery.askers.borrow().values().next().unwrap().cell);
        let before = cell();
        std::fs::write(hosts, "10.0.0.3 app.test\n").unwrap();
        // A reload asks no one again whose question is the same.
        let second = publish(&discovery, &model, &first);
        assert_eq!((cell(), server.addresses().len()), (before, 2));
        discovery.askers.borrow().values().for_each(|asker| asker.cell.ask_now());
        tokio::time::timeout(Duration::from_secs(60), news.changed()).await.unwrap().unwrap();
        assert_eq!(server.endpoint(), Some("10.0.0.3:80".parse().unwrap()));
        let other = self::model("server one \"10.0.0.9:80\"");
        publish(&discovery, &other, &second);
        assert!(discovery.askers.borrow().is_empty());
    });
}

#[test]
fn who_is_left_out_of_an_answer_is_held_and_loses_nothing_when_the_next_names_it() {
    run(async |discovery, hosts| {
        let model = model("discover \"app.test:80\" refresh=\"1s\"");
        let empty = publish(&discovery, &model, &Snapshot::empty());
        changed(&discovery).await;
        let full = publish(&discovery, &model, &empty);
        let server = |snapshot: &Snapshot| {
            Arc::clone(&snapshot.pools["app"].pool.member("10.0.0.2:80").unwrap().server)
        };
        std::fs::write(hosts, "10.0.0.1 app.test\n").unwrap();
        changed(&discovery).await;
        let without = publish(&discovery, &model, &full);
        assert_eq!((names(&without).len(), unnamed(&without)), (2, vec!["10.0.0.2:80"]));
        assert!(Arc::ptr_eq(&server(&full), &server(&without)), "with its health and its streams");
        let member = without.pools["app"].pool.member("10.0.0.2:80").unwrap();
        assert_eq!(member.effective_weight(), 0, "no new clients");
        // Whoever reloads meanwhile changes nothing of it.
        assert_eq!(unnamed(&publish(&discovery, &model, &without)), ["10.0.0.2:80"]);
        std::fs::write(hosts, "10.0.0.1 app.test\n10.0.0.2 app.test\n").unwrap();
        changed(&discovery).await;
        let again = publish(&discovery, &model, &without);
        assert_eq!((names(&again).len(), unnamed(&again)), (2, vec![]));
        assert!(Arc::ptr_eq(&server(&full), &server(&again)));
        let kinds: Vec<_> = discovery.shared.events.since(2).iter().map(|event| event.kind).collect();
        assert_eq!(kinds, ["server.unnamed", "server.named"]);
    });
}

#[test]
fn who_is_left_out_for_longer_is_gone() {
    run(async |discovery, hosts| {
        let model = model("discover \"app.test:80\" refresh=\"1s\" hold=\"100ms\"");
        let empty = publish(&discovery, &model, &Snapshot::empty());
        changed(&discovery).await;
        let full = publish(&discovery, &model, &empty);
        std::fs::write(hosts, "10.0.0.1 app.test\n").unwrap();
        changed(&discovery).await;
        let mut now = publish(&discovery, &model, &full);
        while names(&now).len() > 1 {
            // It wakes by itself when the time has come.
            changed(&discovery).await;
            now = publish(&discovery, &model, &now);
        }
        assert_eq!(names(&now), ["10.0.0.1:80"]);
        let kinds: Vec<_> = discovery.shared.events.since(2).iter().map(|event| event.kind).collect();
        assert_eq!(kinds, ["server.unnamed", "server.gone"]);
        // The source itself is gone from the file: that is no flap.
        let other = self::model("server one \"10.0.0.9:80\"");
        assert_eq!(names(&publish(&discovery, &other, &now)), ["one"]);
    });
}
