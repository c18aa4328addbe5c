//! Tables and properties of the texts that stand for quantities.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn millis(text: &str) -> Option<u64> {
    duration(text).ok().map(|d| u64::try_from(d.as_millis()).unwrap())
}

#[test]
fn durations_have_units_longest_first() {
    let good = [
        ("250ms", 250),
        ("5s", 5000),
        ("1h30m", 5_400_000),
        ("2d", 172_800_000),
        ("1s500ms", 1500),
        ("0s", 0),
    ];
    for (text, expected) in good {
        assert_eq!(millis(text), Some(expected), "{text}");
    }
    let bad = [
        "",
        "5",
        "s",
        "5 s",
        "1.5s",
        "5x",
        "30m1h",
        "1s1s",
        "-5s",
        "5S",
        "99999999999999999999s",
        "3651d",
        "5s ",
        "1h30",
    ];
    for text in bad {
        assert_eq!(millis(text), None, "{text}");
    }
    assert_eq!(duration("5").unwrap_err().write.as_deref(), Some("5s"));
}

#[test]
fn sizes_have_units() {
    let good = [("64KiB", 65536), ("10MB", 10_000_000), ("0B", 0), ("150MiB", 150 << 20), ("2GiB", 2 << 30)];
    for (text, expected) in good {
        assert_eq!(size(text), Ok(expected), "{text}");
    }
    for text in ["", "64", "64 KiB", "64K", "64kib", "1.5MiB", "KiB", "-1B", "99999999999TiB"] {
        assert!(size(text).is_err(), "{text}");
    }
    assert_eq!(size("1M").unwrap_err().write.as_deref(), Some("1MiB"));
    assert_eq!(size("64kb").unwrap_err().write.as_deref(), Some("64KB"));
}

#[test]
fn shares_rates_statuses_and_modes() {
    assert_eq!((percent("5%"), percent("0.5%"), percent("100%")), (Ok(5.0), Ok(0.5), Ok(100.0)));
    for text in ["5", "%", "-1%", "101%", "1e1%", "NaN%", "inf%", "+5%"] {
        assert!(percent(text).is_err(), "{text}");
    }
    assert_eq!(rate("100/s"), Ok(Rate { count: 100, per: Duration::from_secs(1) }));
    assert_eq!(rate("5/h"), Ok(Rate { count: 5, per: Duration::from_secs(3600) }));
    for text in ["100", "100/d", "/s", "0/s", "-1/s", "+1/s", "1.5/s"] {
        assert!(rate(text).is_err(), "{text}");
    }
    assert_eq!(statuses("200-299,304"), Ok(StatusSet(vec![(200, 299), (304, 304)])));
    for text in ["", "20", "99", "600", "299-200", "200-", "2xx", "200,,201", "+20"] {
        assert!(statuses(text).is_err(), "{text}");
    }
    assert_eq!((file_mode("0660"), file_mode("600")), (Ok(0o660), Ok(0o600)));
    for text in ["660660", "0880", "66", "1777", "+660"] {
        assert!(file_mode(text).is_err(), "{text}");
    }
}

#[test]
fn addresses_to_listen_on() {
    let good = [
        (":80", None, 80),
        ("*:80", None, 80),
        ("0.0.0.0:80", Some("0.0.0.0"), 80),
        ("[::1]:0", Some("::1"), 0),
    ];
    for (text, ip, port) in good {
        let ip = ip.map(|ip| ip.parse().unwrap());
        assert_eq!(listen_address(text), Ok(super::super::model::ListenAddress { ip, port }), "{text}");
    }
    for text in
        ["", "80", ":", ":99999", "::1:80", "localhost:80", "10.0.0.1", "[::1]", "[10.0.0.1]:80", ":+80"]
    {
        assert!(listen_address(text).is_err(), "{text}");
    }
    assert_eq!(listen_address("80").unwrap_err().write.as_deref(), Some(":80"));
    assert_eq!(listen_address("::1").unwrap_err().write.as_deref(), Some("[::1]:80"));
}

#[test]
fn addresses_to_connect_to() {
    let good = [
        ("tw1:8443", "tw1", 8443),
        ("10.0.0.1:80", "10.0.0.1", 80),
        ("[::1]:80", "::1", 80),
        ("A.b.:1", "a.b", 1),
    ];
    for (text, host, port) in good {
        assert_eq!(upstream_address(text), Ok(ConnectAddress { host: host.into(), port }), "{text}");
    }
    let bad = [
        "",
        "tw1",
        "tw1:",
        "tw1:0",
        "10.0.0.1",
        "10.0.0.300:80",
        "::1:80",
        "http://a:80",
        "a b:80",
        "-a:80",
        ":80",
    ];
    for text in bad {
        assert!(upstream_address(text).is_err(), "{text}");
    }
    assert_eq!(upstream_address("tw1").unwrap_err().why, "the port is missing");
    assert_eq!(upstream_address("http://a:80/").unwrap_err().write.as_deref(), Some("a:80"));
}

#[test]
fn hosts_networks_and_header_names() {
    let good = [
        ("Shop.Example.com", "shop.example.com"),
        ("*.a.b", "*.a.b"),
        ("a.b.", "a.b"),
        ("10.0.0.1", "10.0.0.1"),
    ];
    for (text, expected) in good {
        assert_eq!(host(text).as_deref(), Ok(expected), "{text}");
    }
    assert_eq!(host("[::1]").as_deref(), Ok("[::1]"));
    for text in ["", "*", "a.*.b", "*a.b", "a..b", "a.b:80", "a/b", "münchen.de", "a_b c", "1.2.3.4.5"] {
        assert!(host(text).is_err(), "{text}");
    }
    assert_eq!(network("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
    assert_eq!(network("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
    assert_eq!(network("::1").unwrap().to_string(), "::1/128");
    assert!(network("10.0.0.0/33").is_err() && network("x").is_err());
    assert_eq!(header_name("X-Env").as_deref(), Ok("x-env"));
    assert!(header_name("x env").is_err() && header_name("x:").is_err() && header_name("").is_err());
    assert!(header_value("a\r\nb").is_err() && header_value("a\0").is_err() && header_value("a\tb").is_ok());
}

proptest! {
    #[test]
    fn a_duration_reads_back_as_it_was_shown(ms in 0u64..=315_360_000_000) {
        let shown = show_duration(Duration::from_millis(ms));
        prop_assert_eq!(millis(&shown), Some(ms));
    }

    #[test]
    fn a_size_reads_back_as_it_was_shown(bytes: u64) {
        prop_assert_eq!(size(&show_size(bytes)), Ok(bytes));
    }

    #[test]
    fn an_address_reads_back_as_it_was_shown(ip: std::net::IpAddr, port in 1u16..) {
        let text = std::net::SocketAddr::new(ip, port).to_string();
        let listen = listen_address(&text).unwrap();
        prop_assert_eq!((listen.ip, listen.port), (Some(ip), port));
        prop_assert_eq!(upstream_address(&text), Ok(ConnectAddress { host: ip.to_string(), port }));
    }

    #[test]
    fn no_text_is_a_panic(text in any::<String>(), odd in "[0-9a-zA-Z:./%\\[\\]*-]{0,24}") {
        for text in [text, odd] {
            let _ = (duration(&text), size(&text), rate(&text), percent(&text), statuses(&text), file_mode(&text));
            let _ = (network(&text), listen_address(&text), upstream_address(&text), host(&text));
            let _ = (header_name(&text), header_value(&text), cookie_token(&text));
        }
    }

    #[test]
    fn what_a_host_is_read_as_reads_as_itself(text in "[a-zA-Z0-9.*_-]{0,20}") {
        if let Ok(read) = host(&text) {
            prop_assert_eq!(host(&read), Ok(read.clone()));
        }
    }
}
