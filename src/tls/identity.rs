//! A certificate chain with the key that belongs to it, or what is wrong with the pair. Pure: bytes in.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::inspect::{Remark, remarks};
use super::order::{self, Move};
use super::pem::{Pem, PemError};

/// Sha-256 of everything that an identity was made from.
pub(super) type ContentHash = [u8; 32];

/// What a listener can show to a client.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) hash: ContentHash,
    pub(super) certified: Arc<CertifiedKey>,
    /// Lower-case DNS names, `*.` kept; the common name when there is no other.
    pub(super) names: Vec<String>,
    /// Seconds since 1970.
    pub(super) not_after: i64,
    /// What clients may hold against it.
    pub(super) remarks: Vec<Remark>,
    /// What puts the chain's file in order, where it is not and can be.
    pub(super) moves: Vec<Move>,
}

/// What is wrong with a pair of files, before it is known where it was written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) help: String,
    /// What mends it in the file of the chain.
    pub(super) moves: Vec<Move>,
}

impl Problem {
    pub(super) fn new(code: &'static str, message: String, help: impl Into<String>) -> Self {
        Self { code, message, help: help.into(), moves: Vec::new() }
    }

    pub(super) fn unusable(message: String, help: impl Into<String>) -> Self {
        Self::new("LB601", message, help)
    }

    /// A file that cannot be read.
    pub(super) fn unreadable(what: &str, path: &Path, error: &std::io::Error) -> Self {
        let shown = path.display();
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::unusable(
                format!("{what} `{shown}` does not exist"),
                "create the file, or correct the path; relative paths start at the file that names them",
            ),
            std::io::ErrorKind::PermissionDenied => Self::unusable(
                format!("{what} `{shown}` may not be read by this process"),
                "let the user that lbd runs as read the file and search its directories",
            ),
            _ => Self::unusable(
                format!("{what} `{shown}` cannot be read: {error}"),
                "name a readable PEM file",
            ),
        }
    }

    /// A file that is not PEM.
    pub(super) fn not_pem(what: &str, path: &Path, error: &PemError) -> Self {
        let help = match error {
            PemError::Binary => {
                "convert it: `openssl x509 -inform der -in FILE` (certificate), \
                                 `openssl pkcs12 -in FILE -nodes` (PKCS#12)"
            }
            PemError::NoSection | PemError::Broken(_) => {
                "a PEM file has sections from `-----BEGIN …-----` to `-----END …-----`; copy the whole of it again"
            }
        };
        Self::unusable(format!("{what} `{}` is not PEM: {error}", path.display()), help)
    }
}

/// The bytes of a pair and how to name them.
pub(super) struct Pair<'a> {
    pub(super) chain_path: &'a Path,
    pub(super) chain: &'a [u8],
    pub(super) key_path: &'a Path,
    pub(super) key: &'a [u8],
}

impl Pair<'_> {
    /// What [`Identity::hash`] will be.
    pub(super) fn hash(&self) -> ContentHash {
        let mut hash = Sha256::new();
        hash.update((self.chain.len() as u64).to_be_bytes());
        hash.update(self.chain);
        hash.update(self.key);
        hash.finalize().into()
    }

    /// The identity, or the first thing that is wrong.
    pub(super) fn identity(&self, provider: &CryptoProvider) -> Result<Identity, Problem> {
        let chain = Pem::parse(self.chain)
            .map_err(|error| Problem::not_pem("certificate file", self.chain_path, &error))?
            .certificates;
        let leaf = chain.first().ok_or_else(|| {
            Problem::unusable(
                format!("no certificate is in `{}`", self.chain_path.display()),
                "the first argument names the certificate chain, `key=` names the private key",
            )
        })?;
        let leaf = parse(leaf, self.chain_path)?;
        let keys = self.keys(provider)?;
        let key = keys.iter().find(|key| fits(key.as_ref(), &leaf));
        let key = key.cloned().ok_or_else(|| self.mismatch(&keys, &chain))?;
        let (names, not_after) = (names(&leaf), leaf.validity().not_after.timestamp());
        let (remarks, moves) = (remarks(&chain), order::moves(self.chain, 0));
        let certified = Arc::new(CertifiedKey::new(chain, key));
        Ok(Identity { hash: self.hash(), certified, names, not_after, remarks, moves })
    }

    fn keys(&self, provider: &CryptoProvider) -> Result<Vec<Arc<dyn SigningKey>>, Problem> {
        let pem = Pem::parse(self.key)
            .map_err(|error| Problem::not_pem("private key file", self.key_path, &error))?;
        let shown = self.key_path.display();
        if pem.keys.is_empty() {
            return Err(if pem.encrypted_key {
                Problem::unusable(
                    format!("the private key in `{shown}` is encrypted"),
                    format!("lbd asks for no passphrase; remove it: `openssl pkey -in {shown} -out NEW`"),
                )
            } else {
                Problem::unusable(
                    format!("no private key is in `{shown}`"),
                    "put the key into the same file as the certificate, or name its file with `key=`",
                )
            });
        }
        let load = |key| {
            provider.key_provider.load_private_key(key).map_err(|error| {
                Problem::unusable(
                    format!("the private key in `{shown}` cannot be used: {error}"),
                    "RSA from 2048 bits, ECDSA P-256, P-384 or P-521, and Ed25519 keys work",
                )
            })
        };
        pem.keys.into_iter().map(load).collect()
    }

    fn mismatch(&self, keys: &[Arc<dyn SigningKey>], chain: &[CertificateDer<'static>]) -> Problem {
        let belongs = |der: &CertificateDer<'_>| {
            X509Certificate::from_der(der)
                .is_ok_and(|(_, certificate)| keys.iter().any(|key| fits(key.as_ref(), &certificate)))
        };
        let at = chain.iter().position(belongs);
        let help = match at {
            Some(at) => format!(
                "the key belongs to certificate {} of the file; put that one first, its issuers after it",
                at + 1
            ),
            None => "name the key that the certificate was requested with; \
                     `openssl x509 -noout -pubkey` and `openssl pkey -pubout` must print the same"
                .into(),
        };
        let (chain, key) = (self.chain_path.display(), self.key_path.display());
        let message = if self.chain_path == self.key_path {
            format!("the private key in `{key}` does not belong to the certificate in it")
        } else {
            format!("the private key `{key}` does not belong to the certificate `{chain}`")
        };
        let moves = at.map(|leaf| order::moves(self.chain, leaf)).unwrap_or_default();
        Problem { moves, ..Problem::new("LB602", message, help) }
    }
}

fn parse<'a>(der: &'a CertificateDer<'_>, path: &Path) -> Result<X509Certificate<'a>, Problem> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(error) => Err(Problem::unusable(
            format!("the first certificate in `{}` cannot be parsed: {error}", path.display()),
            "look at it with `openssl x509 -noout -text`",
        )),
    }
}

/// Whether `key` signs for `certificate`. A key that cannot say its public half is believed.
fn fits(key: &dyn SigningKey, certificate: &X509Certificate<'_>) -> bool {
    key.public_key().is_none_or(|public| public.as_ref() == certificate.public_key().raw)
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut names = Vec::new();
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        for name in &alternative.value.general_names {
            if let GeneralName::DNSName(name) = name {
                names.push(name.trim_end_matches('.').to_ascii_lowercase());
            }
        }
    } else {
        let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        names.extend(common.map(str::to_ascii_lowercase));
    }
    names
}
