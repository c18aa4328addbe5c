//! LB609, as the servers themselves show it: a certificate that lacks the address by which it is verified.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Look, PATIENCE};
use crate::config::diagnostic::Diagnostic;
use crate::pool::TlsToServer;

impl Look {
    /// LB609. What else is wrong with a handshake is told by the check.
    pub(super) async fn misnamed(&self) -> Option<Diagnostic> {
        let tls = self.tls.as_ref().filter(|tls| tls.server_name.is_none())?;
        let address: IpAddr = self.server.host.parse().ok()?;
        let refused = timeout(PATIENCE, self.is_misnamed(tls)).await;
        if !matches!(refused, Ok(Some(true))) {
            return None;
        }
        let message =
            format!("the certificate of server `{}` is not for its address, {address}", self.server.name);
        Some(self.warning("LB609", message).label("its certificate cannot be verified").help(format!(
            "issue it with `subjectAltName=IP:{address}`, or say the name in it: `server-name=\"…\"`"
        )))
    }

    /// Whether the server shows a certificate that is believed, but of another name; nothing when nobody answers.
    async fn is_misnamed(&self, tls: &TlsToServer) -> Option<bool> {
        let stream = TcpStream::connect(self.server.endpoint()?).await.ok()?;
        let name = tls.name_for(&self.server.known_as())?;
        let error = TlsConnector::from(Arc::clone(&tls.config)).connect(name, stream).await.err();
        let error = error.as_ref().and_then(|error| error.get_ref()?.downcast_ref::<rustls::Error>());
        Some(matches!(
            error,
            Some(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }))
        ))
    }
}
