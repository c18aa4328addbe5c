//! Every way out of an exchange that is not the server's answer, in one table: the status the client
//! gets, the word in the access log, whose fault it is. Nothing else in the data path decides these.

use super::head::ParseError;
use crate::pool::Unavailable;
use crate::router::PathError;

/// Seconds after which a client may ask again when no server was there.
const RETRY_AFTER: u32 = 5;

/// Why an exchange ended without the server's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request head is not HTTP as we accept it.
    BadRequest(ParseError),
    /// The path cannot be read in one way only.
    BadPath(PathError),
    /// The body's framing broke in the middle.
    BadBody,
    /// The head did not arrive in time.
    HeadTimeout,
    /// The body stalled.
    BodyTimeout,
    /// The body is larger than the route allows.
    BodyTooLarge,
    /// No route matches.
    NoRoute,
    /// The connection was opened for another name, whose certificate is not for this one.
    Misdirected,
    /// The client's network is not admitted.
    Forbidden,
    /// The client came too often.
    Limited {
        /// When it may come again.
        seconds: u32,
    },
    /// Too many ask for an upgrade at once.
    Paced {
        /// When it may come again.
        seconds: u32,
    },
    /// No server may take it.
    NoServer(Unavailable),
    /// Every server that may take it is full, and as many wait as may.
    QueueFull,
    /// It waited as long as it may for a server with room.
    QueueTimeout,
    /// The server's name has no address yet.
    Unresolved,
    /// No connection to the server.
    ConnectFailed,
    /// The connect clock struck.
    ConnectTimeout,
    /// TLS to the server failed.
    TlsToServer,
    /// The server does not speak HTTP/2, which the pool asks for.
    NotHttp2,
    /// The request asks for an upgrade, which HTTP/2 to the server does not have.
    UpgradeOverHttp2,
    /// The server said that it did not look at the request.
    Unprocessed,
    /// The server gave this one request up.
    StreamReset,
    /// The server closed or reset before its answer was whole.
    ServerClosed,
    /// The server's answer is not HTTP as we accept it.
    BadResponse(ParseError),
    /// The server's answer's body broke in the middle.
    BadResponseBody,
    /// The server answered 101 to what was no upgrade, or wrongly.
    BadUpgrade,
    /// The response clock, or the whole exchange's, struck.
    ResponseTimeout,
    /// The server was found to be down while the request waited for its answer.
    ServerHung,
    /// The server's body stalled.
    ServerStalled,
    /// The answer could not be compressed.
    CompressFailed,
    /// The client closed or reset.
    ClientGone,
    /// The client does not read.
    ClientStalled,
    /// lbd is stopping.
    Stopping,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// Whoever sent the request.
    Client,
    /// The server, or the way to it.
    Server,
    /// The configuration, or us.
    Lbd,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    /// The status, if an answer can still be sent.
    pub(crate) status: u16,
    /// A word for logs and metrics; stable.
    pub(crate) reason: &'static str,
    /// Whose fault.
    pub(crate) blame: Blame,
}

impl Failure {
    /// Its row.
    pub(crate) fn verdict(self) -> Verdict {
        use Blame::{Client, Lbd, Server};
        let (status, reason, blame) = match self {
            Self::BadRequest(e) => (e.status(), "bad-request", Client),
            Self::BadPath(_) => (400, "bad-path", Client),
            Self::BadBody => (400, "bad-request-body", Client),
            Self::HeadTimeout => (408, "request-header-timeout", Client),
            Self::BodyTimeout => (408, "request-body-timeout", Client),
            Self::BodyTooLarge => (413, "body-too-large", Client),
            Self::NoRoute => (404, "no-route", Client),
            Self::Misdirected => (421, "misdirected", Client),
            Self::Forbidden => (403, "forbidden", Client),
            Self::Limited { .. } => (429, "rate-limited", Client),
            Self::Paced { .. } => (503, "upgrades-paced", Lbd),
            Self::NoServer(Unavailable::StickyDown) => (503, "sticky-server-down", Server),
            Self::NoServer(_) => (503, "no-server", Server),
            Self::QueueFull => (503, "queue-full", Server),
            Self::QueueTimeout => (503, "queue-timeout", Server),
            Self::Unresolved => (503, "server-name-unresolved", Server),
            Self::ConnectFailed => (502, "connect-failed", Server),
            Self::ConnectTimeout => (504, "connect-timeout", Server),
            Self::TlsToServer => (502, "tls-to-server-failed", Server),
            Self::NotHttp2 => (502, "server-not-http2", Server),
            Self::UpgradeOverHttp2 => (502, "upgrade-needs-http1", Lbd),
            Self::Unprocessed => (503, "server-refused-stream", Server),
            Self::StreamReset => (502, "server-reset-stream", Server),
            Self::ServerClosed => (502, "server-closed", Server),
            Self::BadResponse(_) => (502, "bad-response", Server),
            Self::BadResponseBody => (502, "bad-response-body", Server),
            Self::BadUpgrade => (502, "bad-upgrade", Server),
            Self::ResponseTimeout => (504, "response-timeout", Server),
            Self::ServerHung => (504, "server-hung", Server),
            Self::ServerStalled => (504, "server-stalled", Server),
            Self::CompressFailed => (500, "compress-failed", Lbd),
            Self::ClientGone => (499, "client-gone", Client),
            Self::ClientStalled => (499, "client-stalled", Client),
            Self::Stopping => (503, "stopping", Lbd),
        };
        Verdict { status, reason, blame }
    }

    /// Whether the client connection can go on after this answer: its framing is still known and
    /// nothing of a body is left unread.
    pub(crate) fn keeps_connection(self) -> bool {
        matches!(
            self,
            Self::NoRoute
                | Self::Misdirected
                | Self::Forbidden
                | Self::Limited { .. }
                | Self::Paced { .. }
                | Self::NoServer(_)
                | Self::QueueFull
                | Self::QueueTimeout
                | Self::Unresolved
                | Self::ConnectFailed
                | Self::ConnectTimeout
                | Self::TlsToServer
                | Self::NotHttp2
                | Self::UpgradeOverHttp2
                | Self::Unprocessed
                | Self::StreamReset
                | Self::ServerClosed
                | Self::BadResponse(_)
                | Self::BadUpgrade
                | Self::ResponseTimeout
                | Self::ServerHung
        )
    }

    /// Seconds after which the client may ask again.
    pub(crate) fn retry_after(self) -> Option<u32> {
        match self {
            Self::Limited { seconds } | Self::Paced { seconds } => Some(seconds),
            _ => (self.verdict().status == 503).then_some(RETRY_AFTER),
        }
    }

    /// The body of the answer: one line that a person can act upon.
    pub(crate) fn body(self) -> &'static str {
        if let Self::Paced { .. } = self {
            return "503 service unavailable: too many clients connect at once\n";
        }
        match self.verdict().status {
            400 => "400 bad request\n",
            403 => "403 forbidden\n",
            404 => "404 not found: no route for this host and path\n",
            408 => "408 request timeout\n",
            413 => "413 content too large\n",
            414 => "414 URI too long\n",
            417 => "417 expectation failed\n",
            421 => "421 misdirected request: connect to this host by its own name\n",
            429 => "429 too many requests\n",
            431 => "431 request header fields too large\n",
            501 => "501 not implemented\n",
            502 => "502 bad gateway: the server gave no usable answer\n",
            503 => "503 service unavailable: no server can take this request now\n",
            504 => "504 gateway timeout: the server did not answer in time\n",
            505 => "505 HTTP version not supported\n",
            _ => "request failed\n",
        }
    }
}
