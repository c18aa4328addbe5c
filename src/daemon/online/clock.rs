//! What time the servers say it is: the `Date` of an answer (RFC 9110, 6.6.1), beside this machine's clock.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::fmt::rfc2822;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::{Look, OVERALL, PATIENCE, every, looks};
use crate::config::model::{Model, Resolver};
use crate::config::source::Sources;
use crate::pool::ProbeKind;
use crate::snapshot::Discovered;
use crate::tls::TlsConfigs;

/// A head without its end within this is no answer.
const MOST_HEAD: usize = 16 << 10;

/// A server's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// `pool/server`
    pub server: String,
    /// Seconds that it is ahead of this machine's; a `Date` is in whole seconds.
    pub ahead: i64,
}

/// Asks every server that the file names, once; those that tell no time are left out.
pub fn clocks(model: &Model, tls: &TlsConfigs, sources: &Sources) -> std::io::Result<Vec<Clock>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let until = Instant::now() + OVERALL;
    let looks = looks(model, tls, sources, &Discovered::new())?;
    let (told, _) = every(runtime, looks, until, |look| {
        let resolver = model.resolver.clone();
        async move { timeout(PATIENCE, look.clock(&resolver)).await.ok().flatten() }
    });
    let mut clocks: Vec<Clock> = told.into_iter().flatten().collect();
    clocks.sort_by(|a, b| a.server.cmp(&b.server));
    Ok(clocks)
}

impl Look {
    async fn clock(&self, resolver: &Resolver) -> Option<Clock> {
        if self.resolve(resolver).await.is_some() {
            return None;
        }
        let stream = TcpStream::connect(self.server.endpoint()?).await.ok()?;
        let (host, path) = self.question();
        let date = match &self.tls {
            None => ask(stream, host, path).await,
            Some(tls) => {
                let name = tls.name_for(&self.server.known_as())?;
                let stream = TlsConnector::from(Arc::clone(&tls.config)).connect(name, stream).await.ok()?;
                ask(stream, host, path).await
            }
        }?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let ahead = date - i64::try_from(now).ok()?;
        Some(Clock { server: format!("{}/{}", self.server.pool, self.server.name), ahead })
    }

    /// What the check asks for, if it asks for a path: that the application answers.
    fn question(&self) -> (&str, &str) {
        let probe = self.check.as_ref().and_then(|check| match &check.probe {
            ProbeKind::Http(probe) => Some(probe),
            _ => None,
        });
        let host = probe.and_then(|probe| probe.host.as_deref()).unwrap_or(&self.server.host);
        (host, probe.map_or("/", |probe| &probe.path))
    }
}

/// The `Date` of the answer to HEAD, in seconds since 1970.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str, path: &str) -> Option<i64> {
    let request =
        format!("HEAD {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: lbd\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < MOST_HEAD {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            break;
        }
    }
    date(&String::from_utf8_lossy(&head))
}

fn date(head: &str) -> Option<i64> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case("date"))?;
    Some(rfc2822::parse(value.trim()).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        let answer = "HTTP/1.1 200 OK\r\nServer: x\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
        assert_eq!(date(answer), Some(784_111_777));
        assert_eq!(date("HTTP/1.1 200 OK\r\nDate: now\r\n\r\n"), None);
        assert_eq!(date("HTTP/1.1 200 OK\r\n\r\n"), None);
    }
}
