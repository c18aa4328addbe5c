//! `server`, `default-server` and `server-template` lines.

use super::super::kdl::ENV;
use super::super::verdict::Verdicts;
use super::units;
use super::words::Line;

/// What lines say of a server; `default-server` says it first.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) check: bool,
    pub(super) ssl: bool,
    pub(super) verify: Option<String>,
    pub(super) ca_file: Option<String>,
    pub(super) crt: Option<String>,
    pub(super) server_name: Option<String>,
    pub(super) verify_host: bool,
    pub(super) http2: Option<&'static str>,
    pub(super) check_ssl: Option<bool>,
    pub(super) port: Option<u16>,
    pub(super) interval: Option<String>,
    pub(super) down_interval: Option<String>,
    pub(super) rise: Option<u32>,
    pub(super) fall: Option<u32>,
    pub(super) weight: Option<u32>,
    pub(super) backup: bool,
    pub(super) max_requests: Option<u64>,
    pub(super) queue: Option<u64>,
    pub(super) slow_start: Option<String>,
    pub(super) cookie: bool,
    pub(super) send_proxy: Option<&'static str>,
    pub(super) disabled: bool,
    pub(super) observe: bool,
    pub(super) error_limit: Option<u32>,
    pub(super) max_idle: Option<u64>,
    pub(super) max_uses: Option<u64>,
    pub(super) min_version: Option<&'static str>,
}

/// A server of a pool.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) line: usize,
    pub(super) name: String,
    /// `host:port`, or a service of DNS.
    pub(super) address: String,
    /// From a `server-template`.
    pub(super) discovered: bool,
    pub(super) settings: Settings,
}

/// Reads `server NAME ADDRESS …`, or `server-template PREFIX NUMBER ADDRESS …`.
pub(super) fn read(line: &Line, defaults: &Settings, verdicts: &mut Verdicts) -> Option<Server> {
    let discovered = line.word(0) == "server-template";
    let at = if discovered { 3 } else { 2 };
    let mut settings = defaults.clone();
    let address = match address(line.word(at), discovered) {
        Ok(address) => address,
        Err(why) => {
            verdicts.refused(line.number, why);
            return None;
        }
    };
    if discovered {
        verdicts
            .approximated(line.number, "discover: as many servers as DNS gives, without a highest number");
    } else {
        verdicts.mapped(line.number, "server");
    }
    if let Err(why) = settings.read(line.number, line.from(at + 1), verdicts) {
        verdicts.refused(line.number, why);
        return None;
    }
    let name = super::super::kdl::name(line.word(1));
    if name != line.word(1) && !discovered {
        verdicts.approximated(line.number, format!("its name is `{name}` here"));
    }
    Some(Server { line: line.number, name, address, discovered, settings })
}

/// `host:port` as lbd writes it.
fn address(text: &str, discovered: bool) -> Result<String, String> {
    let text = ["ipv4@", "ipv6@", "tcp@", "tcp4@", "tcp6@"]
        .iter()
        .find_map(|p| text.strip_prefix(p))
        .unwrap_or(text);
    if text.contains('@') || text.starts_with('/') {
        return Err(format!("`{text}`: servers of lbd are reached over TCP, by `host:port`"));
    }
    if discovered && text.starts_with('_') && !text.contains(':') {
        return Ok(text.to_owned());
    }
    let no_port = || {
        format!(
            "`{text}` has no port of its own (HAProxy takes the client's): write `server {text}:PORT` and import again"
        )
    };
    if text.ends_with('}') && text.contains(ENV) {
        return Ok(text.to_owned());
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
    if !port.contains(ENV) {
        let number: u16 = port.parse().map_err(|_| no_port())?;
        if number == 0 || port.starts_with('+') {
            return Err(no_port());
        }
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let v6 = host.contains(':') && !host.contains(ENV);
    let good = |c: char| c.is_ascii_alphanumeric() || "._-:%{}".contains(c) || c == ENV;
    let anywhere = matches!(host, "" | "*" | "0.0.0.0" | "::");
    if anywhere || !host.chars().all(good) || v6 && host.parse::<std::net::Ipv6Addr>().is_err() {
        return Err(format!("`{text}` is no address of a server"));
    }
    Ok(if v6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

impl Settings {
    /// Reads the words behind the address.
    pub(super) fn read(
        &mut self,
        line: usize,
        words: &[String],
        verdicts: &mut Verdicts,
    ) -> Result<(), String> {
        let mut at = 0;
        while let Some(key) = words.get(at) {
            let value = words.get(at + 1).map_or("", String::as_str);
            at += 1;
            let took = match self.flag(key) {
                true => 0,
                false => self.value(key, value, line, verdicts)?,
            };
            at += took;
        }
        Ok(())
    }

    /// Words without a value.
    fn flag(&mut self, key: &str) -> bool {
        match key {
            "check" => self.check = true,
            "no-check" => self.check = false,
            "ssl" => self.ssl = true,
            "no-ssl" => self.ssl = false,
            "backup" => self.backup = true,
            "no-backup" => self.backup = false,
            "check-ssl" => self.check_ssl = Some(true),
            "no-check-ssl" => self.check_ssl = Some(false),
            "disabled" => self.disabled = true,
            "enabled" => self.disabled = false,
            "send-proxy" => self.send_proxy = Some("v1"),
            "send-proxy-v2" | "send-proxy-v2-ssl" | "send-proxy-v2-ssl-cn" => self.send_proxy = Some("v2"),
            "no-send-proxy" | "no-send-proxy-v2" => self.send_proxy = None,
            "no-verifyhost" => self.verify_host = false,
            "force-tlsv13" => self.min_version = Some("1.3"),
            "force-tlsv12"
            | "no-sslv3"
            | "no-tlsv10"
            | "no-tlsv11"
            | "no-tls-tickets"
            | "tls-tickets"
            | "no-ssl-reuse"
            | "ssl-reuse"
            | "tfo"
            | "no-tfo"
            | "non-stick"
            | "stick"
            | "check-send-proxy"
            | "no-check-send-proxy"
            | "no-agent-check" => {}
            _ => return false,
        }
        true
    }

    /// Words with a value; how many words that was.
    fn value(
        &mut self,
        key: &str,
        value: &str,
        line: usize,
        verdicts: &mut Verdicts,
    ) -> Result<usize, String> {
        let number =
            |what: &str| value.parse::<u32>().map_err(|_| format!("`{what}` needs a number, not `{value}`"));
        let mut differs = |text: &str| verdicts.approximated(line, format!("`{key}`: {text}"));
        match key {
            "verify" => self.verify = Some(value.to_owned()),
            "ca-file" => self.ca_file = Some(value.to_owned()),
            "crt" => self.crt = Some(value.to_owned()),
            "verifyhost" => {
                self.server_name = Some(value.to_owned());
                self.verify_host = true;
            }
            "sni" => match value.strip_prefix("str(").and_then(|rest| rest.strip_suffix(')')) {
                Some(name) => self.server_name = Some(name.trim_matches(['"', '\'']).to_owned()),
                None => differs("the name of the server is asked for, not one from the request"),
            },
            "check-sni" | "check-alpn" | "check-proto" => {}
            "alpn" | "npn" | "proto" => self.http2 = http2(value, self.ssl),
            "port" => self.port = u16::try_from(number(key)?).ok().filter(|port| *port > 0),
            "addr" => differs("checks go to the server's own address"),
            "inter" => self.interval = units::duration(value),
            "fastinter" => differs("left out: `fall` counts checks that are `interval` apart"),
            "downinter" => self.down_interval = units::duration(value),
            "rise" | "fall" => {
                let count = Some(number(key)?).filter(|count| (1..=1000).contains(count));
                if key == "rise" { self.rise = count } else { self.fall = count }
            }
            "weight" => self.weight = Some(number(key)?),
            "maxconn" => self.max_requests = number(key).map(u64::from).ok().filter(|count| *count > 0),
            "minconn" => differs("left out: `maxconn` holds at any load"),
            "maxqueue" => self.queue = number(key).map(u64::from).ok().filter(|count| *count > 0),
            "slowstart" => self.slow_start = units::duration(value),
            "cookie" => self.cookie = true,
            "observe" => self.observe = true,
            "error-limit" => self.error_limit = Some(number(key)?),
            "on-error" => {
                if value != "mark-down" {
                    differs("a server that fails is ejected for a while");
                }
            }
            "on-marked-down" => {
                if value == "shutdown-sessions" {
                    differs("requests under way to a server that goes down are not cut");
                }
            }
            "on-marked-up" => differs("left out"),
            "pool-max-conn" => {
                self.max_idle = number(key).map(u64::from).ok().filter(|count| *count <= 65_535)
            }
            "max-reuse" => self.max_uses = number(key).map(u64::from).ok().filter(|count| *count > 0),
            "ssl-min-ver" => self.min_version = (value == "TLSv1.3").then_some("1.3"),
            "init-addr" | "resolve-prefer" | "resolve-opts" | "resolve-net" | "resolvers" => {
                differs("names are resolved as `resolver` says, at start and again before their TTL ends");
            }
            other => return left_out(other, line, verdicts),
        }
        Ok(1)
    }
}

/// The verdict on a word that lbd has no use for; how many words its value has.
fn left_out(key: &str, line: usize, verdicts: &mut Verdicts) -> Result<usize, String> {
    let mut differs = |text: &str| verdicts.approximated(line, format!("`{key}`: {text}"));
    match key {
        "ciphers" | "ciphersuites" | "curves" | "sigalgs" | "ssl-max-ver" | "pool-purge-delay"
        | "pool-low-conn" | "tcp-ut" | "id" | "ws" | "log-proto" | "shard" | "proxy-v2-options"
        | "crl-file" | "force-sslv3" => {
            differs("left out");
        }
        "source" | "usesrc" | "interface" | "namespace" => {
            return Err(format!(
                "`{key}`: lbd calls servers from the address that the system chooses; \
                    servers learn of clients by X-Forwarded-For or `connections send-proxy=`"
            ));
        }
        "agent-check" | "agent-inter" | "agent-port" | "agent-addr" | "agent-send" => {
            differs("left out: an agent can call `lbctl drain` and `lbctl weight`");
            return Ok(usize::from(key != "agent-check"));
        }
        "track" => return Err("`track`: give the pool a `health` of its own".into()),
        "redir" => return Err("`redir`: write a route with `redirect`".into()),
        "socks4" | "check-via-socks4" => return Err(format!("`{key}`: lbd calls its servers directly")),
        other => return Err(format!("`{other}` is not known of a server")),
    }
    Ok(1)
}

/// Whether servers are spoken to in HTTP/2.
fn http2(value: &str, ssl: bool) -> Option<&'static str> {
    match value {
        "h2" => Some("2"),
        _ if value.split(',').any(|protocol| protocol == "h2") && ssl => Some("auto"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_the_impossible_is_refused() {
        for (from, to) in [
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("app.example:8443", "app.example:8443"),
            ("ipv4@10.0.0.1:80", "10.0.0.1:80"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"),
            ("2001:db8::1:80", "[2001:db8::1]:80"),
        ] {
            assert_eq!(address(from, false).as_deref(), Ok(to));
        }
        for bad in
            ["", "10.0.0.1", "10.0.0.1:", "10.0.0.1:0", "unix@/x", "/run/x", "0.0.0.0:80", "a b:80", "x:+1"]
        {
            assert!(address(bad, false).is_err(), "{bad}");
        }
        assert_eq!(address("_http._tcp.example.com", true).as_deref(), Ok("_http._tcp.example.com"));
    }
}
