//! The WebSocket check: a real handshake, which must be answered by 101 and the right `Sec-WebSocket-Accept`, then
//! an orderly close. What the server sends on the stream is not looked at.

use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, error::ProtocolError};

use super::{Failure, ProbeReport, USER_AGENT, Verdict, add_fields, failed, impossible};
use crate::pool::WebSocketProbe;

/// Shakes hands on `stream`.
pub(super) async fn ask<S>(
    stream: S,
    probe: &WebSocketProbe,
    host: &str,
    report: &mut ProbeReport,
) -> Result<Verdict, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let target = format!("ws://{host}{}", probe.path);
    let mut request = target.into_client_request().map_err(|error| impossible(&error))?;
    let headers = request.headers_mut();
    headers.insert(http::header::USER_AGENT, http::HeaderValue::from_static(USER_AGENT));
    add_fields(headers, &probe.headers)?;
    let start = Instant::now();
    let (mut socket, answer) = match tokio_tungstenite::client_async(request, stream).await {
        Ok(open) => open,
        Err(Error::Http(answer)) => {
            report.first_byte = Some(start.elapsed());
            report.note(answer.status().as_u16(), answer.headers());
            return Err(Failure(format!("status {}, not 101", answer.status().as_u16())));
        }
        Err(error) => return Err(refused(&error)),
    };
    report.first_byte = Some(start.elapsed());
    report.note(answer.status().as_u16(), answer.headers());
    // Said for the server's sake; it is well, whether it hears it or not.
    let _ = socket.close(None).await;
    Ok(Verdict::Passed)
}

fn refused(error: &Error) -> Failure {
    match error {
        Error::Io(error) => failed("connection", error),
        Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            Failure("connection closed without an answer".into())
        }
        Error::Protocol(ProtocolError::SecWebSocketAcceptKeyMismatch) => {
            Failure("101 with a wrong Sec-WebSocket-Accept".into())
        }
        error => Failure(format!("no WebSocket: {error}")),
    }
}
