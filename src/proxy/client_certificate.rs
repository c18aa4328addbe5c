//! What servers are told about the certificate that a client showed.
//!
//! On a listener with `client-ca` every request carries `X-Client-Cert-Verified: true` or `false`, and with `true`
//! also `X-Client-Cert-Subject`, the subject as RFC 4514 writes it: last part first, separators in values escaped,
//! so that a name can never pass for two. What a client sends under these names never reaches a server (see
//! [`crate::snapshot::CLIENT_CERTIFICATE_FIELDS`]).

use std::fmt::Write as _;
use std::sync::Arc;

use rustls::ServerConfig;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::forwarded::HopLines;
use super::stream::Stream;
use crate::snapshot::ListenerSnap;

/// Types that have a short name, by their dotted numbers.
const NAMES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.42", "GN"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// What a client showed when it connected.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// What it was let in under; `None` where TLS does not end at this listener.
    under: Option<Arc<ServerConfig>>,
    /// The name that it connected to, if it said one.
    name: Option<Box<str>>,
    /// The subject of its certificate, which was verified.
    subject: Option<Box<str>>,
    /// The version of TLS.
    version: Option<&'static str>,
    /// What servers are told of its connection.
    pub(crate) hop: HopLines,
}

impl Shown {
    /// What came with a connection that `listener` accepted.
    pub(crate) fn of(stream: &Stream, listener: &ListenerSnap) -> Self {
        let (Stream::Accepted(stream), Some(tls)) = (stream, &listener.tls) else { return Self::default() };
        let leaf = stream.get_ref().1.peer_certificates().filter(|_| tls.asks_clients);
        let subject = leaf.and_then(|chain| {
            let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
            Some(subject(certificate.subject()).into())
        });
        let name = stream.get_ref().1.server_name().map(Into::into);
        let version = match stream.get_ref().1.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
            Some(rustls::ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
            _ => None,
        };
        Self { under: Some(Arc::clone(&tls.config)), name, subject, version, hop: HopLines::default() }
    }

    /// The version of TLS that its connection speaks.
    pub(crate) fn tls_version(&self) -> Option<&'static str> {
        self.version
    }

    /// Whether the listener has since begun to ask for other certificates: what was verified then proves nothing
    /// now, and the client must connect again.
    pub(crate) fn is_outdated(&self, listener: &ListenerSnap) -> bool {
        let Some(tls) = listener.tls.as_ref().filter(|tls| tls.asks_clients) else { return false };
        !self.under.as_ref().is_some_and(|config| tls.asks_as(config))
    }

    /// Whether a request for `host` came by a connection whose certificate is not for it, while another is: the
    /// client is to open one for that name (RFC 9110, section 15.5.20). One that said no name is taken at its word.
    pub(crate) fn is_misdirected(&self, listener: &ListenerSnap, host: &[u8]) -> bool {
        let (Some(tls), Some(name)) = (&listener.tls, &self.name) else { return false };
        !tls.coverage.may_share(name, host)
    }

    /// Appends the lines for the server.
    pub(crate) fn write_lines(&self, listener: &ListenerSnap, out: &mut Vec<u8>) {
        if !listener.tls.as_ref().is_some_and(|tls| tls.asks_clients) {
            return;
        }
        let Some(subject) = self.subject.as_ref().filter(|_| !self.is_outdated(listener)) else {
            out.extend_from_slice(b"X-Client-Cert-Verified: false\r\n");
            return;
        };
        out.extend_from_slice(b"X-Client-Cert-Verified: true\r\nX-Client-Cert-Subject: ");
        out.extend_from_slice(subject.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// A name as RFC 4514 writes it, in visible ASCII only.
fn subject(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for relative in name.iter() {
        let mut part = String::new();
        for (at, attribute) in relative.iter().enumerate() {
            if at > 0 {
                part.push('+');
            }
            write_attribute(attribute, &mut part);
        }
        parts.push(part);
    }
    parts.reverse();
    parts.join(",")
}

fn write_attribute(attribute: &AttributeTypeAndValue<'_>, out: &mut String) {
    let dotted = attribute.attr_type().to_id_string();
    let name = NAMES.iter().find(|(numbers, _)| *numbers == dotted).map(|(_, name)| *name);
    out.push_str(name.unwrap_or(&dotted));
    out.push('=');
    match attribute.as_str() {
        Ok(text) => write_value(text, out),
        Err(_) => {
            // A string of another alphabet: its bytes.
            out.push('#');
            attribute.as_slice().iter().for_each(|byte| write_hex("", *byte, out));
        }
    }
}

fn write_value(text: &str, out: &mut String) {
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'=' | b'>' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b'#' if at == 0 => out.push_str("\\#"),
            b' ' if at == 0 || at == last => out.push_str("\\ "),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => write_hex("\\", byte, out),
        }
    }
}

fn write_hex(before: &str, byte: u8, out: &mut String) {
    write!(out, "{before}{byte:02X}").expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn check(parts: &[(DnType, &str)], expected: &str) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        parts.iter().for_each(|(kind, text)| params.distinguished_name.push(kind.clone(), *text));
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let (_, certificate) = X509Certificate::from_der(der.der()).unwrap();
        assert_eq!(subject(certificate.subject()), expected);
    }

    #[test]
    fn a_subject_reads_from_the_last_part_and_cannot_pass_for_another() {
        check(&[(DnType::OrganizationName, "Acme"), (DnType::CommonName, "device 7")], "CN=device 7,O=Acme");
        check(&[(DnType::CommonName, "a,O=Acme")], "CN=a\\,O\\=Acme");
        check(&[(DnType::CommonName, " #x\\\"+ ")], "CN=\\ #x\\\\\\\"\\+\\ ");
        check(&[(DnType::CommonName, "#1")], "CN=\\#1");
        check(&[(DnType::CommonName, "é\r\nx-admin: 1")], "CN=\\C3\\A9\\0D\\0Ax-admin: 1");
        check(&[], "");
    }
}
