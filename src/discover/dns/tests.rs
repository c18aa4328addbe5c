//! What is asked, of whom, and what becomes of what they say.

use super::*;

fn settings(prefer: Prefer) -> Resolver {
    Resolver { prefer, ..Resolver::default() }
}

fn dns(hosts: &str, prefer: Prefer) -> (tempfile::TempDir, Dns) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hosts"), hosts).unwrap();
    // Nobody to ask: what these tests hear, they hear from the file.
    std::fs::write(dir.path().join("resolv.conf"), "search test\n").unwrap();
    let dns = Dns::with_files(settings(prefer), dir.path().join("hosts"), dir.path().join("resolv.conf"));
    (dir, dns)
}

async fn ips_of(dns: &Dns, host: &str) -> Result<Vec<String>, Failure> {
    let answer = dns.hosts(&host.into(), &Memory::default()).await?;
    Ok(answer.targets.iter().map(|target| target.ip.to_string()).collect())
}

#[tokio::test]
async fn the_hosts_file_comes_first_and_an_edit_holds_at_once() {
    let hosts = "10.0.0.1 app.test app # a comment\n10.0.0.2 APP.test\n2001:db8::1 app.test\n";
    let (dir, dns) = dns(hosts, Prefer::Any);
    assert_eq!(ips_of(&dns, "app.test").await.unwrap(), ["10.0.0.1", "10.0.0.2", "2001:db8::1"]);
    assert_eq!(ips_of(&dns, "app").await.unwrap(), ["10.0.0.1"]);
    std::fs::write(dir.path().join("hosts"), "10.0.0.9 app.test\n").unwrap();
    assert_eq!(ips_of(&dns, "app.test").await.unwrap(), ["10.0.0.9"]);
}

#[tokio::test]
async fn the_preferred_family_is_used_alone_where_there_is_one() {
    let hosts = "10.0.0.1 both v4\n2001:db8::1 both v6\n";
    for (prefer, both) in [(Prefer::V4, vec!["10.0.0.1"]), (Prefer::V6, vec!["2001:db8::1"])] {
        let (_dir, dns) = dns(hosts, prefer);
        assert_eq!(ips_of(&dns, "both").await.unwrap(), both);
        assert_eq!(ips_of(&dns, "v4").await.unwrap(), ["10.0.0.1"], "{prefer:?}");
        assert_eq!(ips_of(&dns, "v6").await.unwrap(), ["2001:db8::1"], "{prefer:?}");
    }
}

#[tokio::test]
async fn without_a_name_server_a_failure_says_so() {
    let (_dir, dns) = dns("10.0.0.1 app.test\n", Prefer::Any);
    let failure = ips_of(&dns, "other.test").await.unwrap_err();
    assert!(matches!(&failure, Failure::Unanswered(why) if why.contains("no name server")), "{failure}");
}

#[test]
fn a_family_that_fails_beside_one_that_answers_keeps_what_it_had() {
    let (v4, v6): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "::1".parse().unwrap());
    let s = Duration::from_secs;
    let found = || Heard::Found(vec![v4], s(5));
    let failed = |before: &[IpAddr]| Heard::Failed("late".into(), before.to_vec());
    let check = |one, other, expected: Result<(&[IpAddr], u64), bool>| match (together(one, other), expected)
    {
        (Ok((ips, ttl)), Ok((expected, seconds))) => assert_eq!((&ips[..], ttl), (expected, s(seconds))),
        (Err(failure), Err(unanswered)) => {
            assert_eq!(matches!(failure, Failure::Unanswered(_)), unanswered, "{failure}");
        }
        other => panic!("{other:?}"),
    };
    check(found(), Heard::Found(vec![v6], s(3)), Ok((&[v4, v6], 3)));
    check(found(), Heard::Nothing, Ok((&[v4], 5)));
    check(found(), failed(&[v6]), Ok((&[v4, v6], 5)));
    check(failed(&[v6]), Heard::Nothing, Err(true));
    check(failed(&[]), failed(&[v6]), Err(true));
    check(Heard::Nothing, Heard::Nothing, Err(false));
}
