//! A request as a person writes it, and as it would come over the wire.

use std::net::{IpAddr, Ipv4Addr};

use super::Unanswerable;

/// Who connects when nobody is named: an address of a documentation network (RFC 5737), so a stranger to every list.
pub const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));

/// A request that nobody sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The method.
    pub method: String,
    /// An absolute URL (`http`, `https`, `ws`, `wss`), or a path.
    pub url: String,
    /// Fields.
    pub headers: Vec<(String, String)>,
    /// Who connects.
    pub client_ip: IpAddr,
    /// The listener that it comes to; else that of the URL's scheme and port.
    pub listener: Option<String>,
    /// Whether it opens a WebSocket; `ws` and `wss` do.
    pub websocket: bool,
}

/// What a URL, or a path alone, says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url<'a> {
    /// Whether it says https (or wss); `None` when it says nothing.
    pub https: Option<bool>,
    /// Host, and port if there is one; none of a path alone.
    pub authority: Option<&'a str>,
    /// The port that it names.
    pub port: Option<u16>,
    /// Path and query, as browsers send them.
    pub target: String,
    /// Whether it is that of a WebSocket.
    pub websocket: bool,
}

impl<'a> Url<'a> {
    /// Reads `https://host/path`, or `/path`.
    pub fn read(text: &'a str) -> Result<Self, Unanswerable> {
        let url = text.split('#').next().unwrap_or_default();
        let (https, authority, target, websocket) = match url.split_once("://") {
            None if url.starts_with('/') || url == "*" => (None, None, url, false),
            None => return Err(bad(format!("`{url}` is no URL"), "write `https://host/path`, or `/path`")),
            Some((scheme, rest)) => {
                let (https, websocket) = match scheme.to_ascii_lowercase().as_str() {
                    "http" => (false, false),
                    "https" => (true, false),
                    "ws" => (false, true),
                    "wss" => (true, true),
                    _ => {
                        let what = format!("`{scheme}://` is not served");
                        return Err(bad(what, "http, https, ws and wss are"));
                    }
                };
                let at = rest.find(['/', '?']).unwrap_or(rest.len());
                (Some(https), Some(&rest[..at]), &rest[at..], websocket)
            }
        };
        if authority.is_some_and(|authority| authority.contains('@')) {
            let what = "a URL with a user is sent by no client".to_owned();
            return Err(bad(what, "leave out what stands before `@`"));
        }
        let target =
            if target.starts_with('/') || target == "*" { target.to_owned() } else { format!("/{target}") };
        let port = authority.and_then(port_of);
        Ok(Self { https, authority, port, target: as_sent(&target), websocket })
    }

    /// Without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// The same, taken apart.
#[derive(Debug)]
pub(super) struct Request {
    /// As it would come over the wire.
    pub(super) bytes: Vec<u8>,
    /// The path as given.
    pub(super) path: String,
    /// Whether the URL says https; `None` when it says nothing.
    pub(super) https: Option<bool>,
    /// The port of the URL, or that of its scheme.
    pub(super) port: Option<u16>,
    /// Whether the URL names it.
    pub(super) explicit_port: bool,
}

impl Question {
    /// `GET` from a stranger.
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            method: "GET".to_owned(),
            url: url.into(),
            headers: Vec::new(),
            client_ip: STRANGER,
            listener: None,
            websocket: false,
        }
    }

    pub(super) fn request(&self) -> Result<Request, Unanswerable> {
        let url = Url::read(&self.url)?;
        let default = url.https.map(|https| if https { 443 } else { 80 });
        Ok(Request {
            bytes: self.bytes(url.authority, &url.target, self.websocket || url.websocket)?,
            path: url.path().to_owned(),
            https: url.https,
            port: url.port.or(default),
            explicit_port: url.port.is_some(),
        })
    }

    fn bytes(&self, authority: Option<&str>, target: &str, websocket: bool) -> Result<Vec<u8>, Unanswerable> {
        let has = |wanted: &str| self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let mut lines = vec![format!("{} {target} HTTP/1.1", self.method)];
        if !has("host") {
            // Without a host in the URL it is that of nobody: the default site's.
            lines.push(format!("Host: {}", authority.unwrap_or("localhost")));
        }
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        if websocket && !has("upgrade") {
            for line in ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"] {
                lines.push(line.to_owned());
            }
            // The key of RFC 6455, section 1.3.
            lines.push("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==".to_owned());
        }
        if let Some(line) =
            lines.iter().find(|line| line.contains(|c: char| c.is_ascii_control() && c != '\t'))
        {
            return Err(bad(
                format!("{line:?} cannot be sent"),
                "control characters cannot stand in a request",
            ));
        }
        Ok((lines.join("\r\n") + "\r\n\r\n").into_bytes())
    }
}

fn bad(what: String, help: &str) -> Unanswerable {
    Unanswerable { what, help: Some(help.to_owned()) }
}

fn port_of(authority: &str) -> Option<u16> {
    let (_, port) = authority.rsplit_once(':')?;
    // Within brackets a colon belongs to the address.
    (!authority.ends_with(']')).then(|| port.parse().ok()).flatten()
}

/// What browsers encode before they send: blanks, and all that is not ASCII.
fn as_sent(target: &str) -> String {
    let mut out = String::with_capacity(target.len());
    for byte in target.bytes() {
        match byte {
            b' ' | 0x80.. => out.push_str(&format!("%{byte:02X}")),
            byte => out.push(char::from(byte)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(url: &str) -> String {
        String::from_utf8(Question::get(url).request().unwrap().bytes).unwrap()
    }

    #[test]
    fn a_url_is_sent_as_a_browser_sends_it() {
        assert_eq!(
            sent("https://a.test:8443/x y?q=ä#part"),
            "GET /x%20y?q=%C3%A4 HTTP/1.1\r\nHost: a.test:8443\r\n\r\n"
        );
        assert_eq!(sent("http://a.test"), "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert_eq!(sent("http://a.test?q"), "GET /?q HTTP/1.1\r\nHost: a.test\r\n\r\n");
        assert!(sent("wss://a.test/ws").contains("\r\nUpgrade: websocket\r\n"));
        let ports = |url: &str| {
            let request = Question::get(url).request().unwrap();
            (request.https, request.port, request.explicit_port)
        };
        assert_eq!(ports("https://[::1]/"), (Some(true), Some(443), false));
        assert_eq!(ports("ws://[::1]:81/"), (Some(false), Some(81), true));
        assert_eq!(ports("/x"), (None, None, false));
    }

    #[test]
    fn what_is_no_request_says_what_is() {
        let refused = |url: &str| Question::get(url).request().unwrap_err();
        assert_eq!(refused("a.test/x").what, "`a.test/x` is no URL");
        assert_eq!(refused("ftp://a/").help.as_deref(), Some("http, https, ws and wss are"));
        assert_eq!(refused("http://u@a/").what, "a URL with a user is sent by no client");
        let mut question = Question::get("/");
        question.headers.push(("x".to_owned(), "a\r\nb: c".to_owned()));
        assert_eq!(question.request().unwrap_err().what, "\"x: a\\r\\nb: c\" cannot be sent");
    }
}
