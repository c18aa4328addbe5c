//! PEM sections of one file: certificates, private keys, and why there are none. Pure.

use std::fmt;

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use rustls_pki_types::pem::{self, SectionKind};

/// What one PEM file holds, in its order.
#[derive(Debug, Default)]
pub(super) struct Pem {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) keys: Vec<PrivateKeyDer<'static>>,
    /// A key that needs a passphrase stands in the file.
    pub(super) encrypted_key: bool,
}

/// Why a file is not PEM.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PemError {
    /// Nothing between `BEGIN` and `END`.
    NoSection,
    /// The binary form of a certificate or key.
    Binary,
    /// A section does not end, or is not base64.
    Broken(String),
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSection => f.write_str("no PEM section is in it"),
            Self::Binary => f.write_str("it is binary (DER or PKCS#12)"),
            Self::Broken(why) => write!(f, "its PEM is broken: {why}"),
        }
    }
}

impl Pem {
    /// Reads every section of `bytes`; unknown ones are skipped.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, PemError> {
        let mut pem = Self { encrypted_key: has_encrypted_key(bytes), ..Self::default() };
        let mut rest = bytes;
        let mut sections = 0;
        loop {
            match pem::from_buf(&mut rest) {
                Ok(Some((kind, der))) => {
                    sections += 1;
                    pem.add(kind, der);
                }
                Ok(None) => break,
                // The header lines of an old encrypted key are no base64; what it is has been seen.
                Err(pem::Error::Base64Decode(_)) if pem.encrypted_key => break,
                Err(error) => return Err(PemError::Broken(explain(&error))),
            }
        }
        match bytes.first() {
            _ if sections > 0 || pem.encrypted_key => Ok(pem),
            Some(0x30) => Err(PemError::Binary),
            _ => Err(PemError::NoSection),
        }
    }

    fn add(&mut self, kind: SectionKind, der: Vec<u8>) {
        match kind {
            SectionKind::Certificate => self.certificates.push(CertificateDer::from(der)),
            SectionKind::PrivateKey => self.keys.push(PrivatePkcs8KeyDer::from(der).into()),
            SectionKind::RsaPrivateKey => self.keys.push(PrivatePkcs1KeyDer::from(der).into()),
            SectionKind::EcPrivateKey => self.keys.push(PrivateSec1KeyDer::from(der).into()),
            _ => {}
        }
    }
}

fn has_encrypted_key(bytes: &[u8]) -> bool {
    let has = |what: &[u8]| memchr::memmem::find(bytes, what).is_some();
    has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || (has(b"Proc-Type:") && has(b"ENCRYPTED"))
}

fn explain(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("the line `-----END {}-----` is missing", String::from_utf8_lossy(end_marker).trim())
        }
        pem::Error::IllegalSectionStart { line } => {
            format!("`{}` does not begin a section", String::from_utf8_lossy(line).trim())
        }
        pem::Error::Base64Decode(_) => "a section is not base64".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &str) -> String {
        format!("-----BEGIN {name}-----\nAAAA\n-----END {name}-----\n")
    }

    #[test]
    fn every_kind_of_section_finds_its_place() {
        let text = [
            "# a comment first\n".to_owned(),
            section("CERTIFICATE"),
            section("EC PARAMETERS"),
            section("PRIVATE KEY"),
            section("RSA PRIVATE KEY"),
            section("EC PRIVATE KEY"),
            section("CERTIFICATE"),
        ]
        .concat();
        let pem = Pem::parse(text.as_bytes()).unwrap();
        assert_eq!((pem.certificates.len(), pem.keys.len(), pem.encrypted_key), (2, 3, false));
        let crlf = Pem::parse(text.replace('\n', "\r\n").as_bytes()).unwrap();
        assert_eq!(crlf.certificates.len(), 2);
    }

    #[test]
    fn what_is_not_pem_is_told_apart() {
        assert_eq!(Pem::parse(b"").unwrap_err(), PemError::NoSection);
        assert_eq!(Pem::parse(b"hello\n").unwrap_err(), PemError::NoSection);
        assert_eq!(Pem::parse(&[0x30, 0x82, 1, 2]).unwrap_err(), PemError::Binary);
        let cut = Pem::parse(b"-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap_err();
        assert!(cut.to_string().contains("END CERTIFICATE"), "{cut}");
        let noise = Pem::parse(b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
        assert_eq!(noise.unwrap_err().to_string(), "its PEM is broken: a section is not base64");
    }

    #[test]
    fn both_forms_of_an_encrypted_key_are_seen() {
        assert!(Pem::parse(section("ENCRYPTED PRIVATE KEY").as_bytes()).unwrap().encrypted_key);
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n\
                   AAAA\n-----END RSA PRIVATE KEY-----\n";
        assert!(Pem::parse(old.as_bytes()).unwrap().encrypted_key);
    }
}
