//! What is worth a word about certificates that can be used: what clients and servers will hold against them.
//! Pure, but for the mode of a key's file.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Version};
use x509_parser::public_key::PublicKey;

use crate::config::diagnostic::{Diagnostic, Report};
use crate::config::model::{Pool, Verify};

use super::identity::Problem;
use super::upstream::Authorities;

/// The longest life that browsers accept of a publicly trusted certificate.
const PUBLIC_DAYS: i64 = 398;
/// The smallest RSA key that is still believed.
const RSA_BITS: usize = 2048;
/// Signatures with MD5 or SHA-1.
const WEAK_SIGNATURES: &[&str] =
    &["1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.2.840.10040.4.3", "1.2.840.10045.4.1"];
/// Proof that a public log knows the certificate: only publicly trusted ones have it.
const LOGGED: &str = "1.3.6.1.4.1.11129.2.4.2";
/// Where the issuer's certificate can be had, and how that is said.
const ISSUER_AT: (&str, &str) = ("1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.48.2");

/// Something about a chain; its sentence begins with the name of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) code: &'static str,
    pub(super) says: String,
    pub(super) help: &'static str,
}

/// What is remarkable about a chain, leaf first.
pub(super) fn remarks(chain: &[CertificateDer<'_>]) -> Vec<Remark> {
    let parsed: Vec<X509Certificate<'_>> =
        chain.iter().filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1)).collect();
    let Some(leaf) = parsed.first() else { return Vec::new() };
    names(leaf).into_iter().chain(order(&parsed)).chain(strength(&parsed)).collect()
}

/// LB604
fn names(leaf: &X509Certificate<'_>) -> Option<Remark> {
    let version = leaf.version();
    if version != X509Version::V3 {
        let help = "issue it anew with extensions: `openssl x509 -req … -extfile FILE` with a line `subjectAltName=DNS:…`";
        return Some(Remark {
            code: "LB604",
            says: format!("is an X.509 {version} certificate: clients refuse it"),
            help,
        });
    }
    let named =
        matches!(leaf.subject_alternative_name(), Ok(Some(names)) if !names.value.general_names.is_empty());
    let help = "issue it anew with `subjectAltName=DNS:…`; the common name counts for nothing since 2017";
    (!named).then(|| Remark {
        code: "LB604",
        says: "has no subject alternative name: clients refuse it".into(),
        help,
    })
}

/// LB605
fn order(chain: &[X509Certificate<'_>]) -> Option<Remark> {
    let remark = |says: String, help| Some(Remark { code: "LB605", says, help });
    let gap = chain.windows(2).position(|pair| pair[0].issuer().as_raw() != pair[1].subject().as_raw());
    if let Some(at) = gap {
        let says =
            format!("is out of order: its certificate {} did not issue certificate {}", at + 2, at + 1);
        return remark(says, "write the leaf first, then the one that issued it, and so on");
    }
    let last = chain.last()?;
    if chain.len() > 1 && is_self_issued(last) {
        let says = "includes the root: clients have it, or do not trust it".to_owned();
        return remark(says, "remove the last certificate of the file");
    }
    let says = "is alone in its file: clients that do not know its issuer refuse it".to_owned();
    let help = "append the certificates between it and the root (the authority's `fullchain`)";
    if chain.len() == 1 && !is_self_issued(last) && says_where_its_issuer_is(last) {
        remark(says, help)
    } else {
        None
    }
}

/// LB606
fn strength(chain: &[X509Certificate<'_>]) -> Option<Remark> {
    let remark = |says: String, help| Some(Remark { code: "LB606", says, help });
    for (at, certificate) in chain.iter().enumerate() {
        if let Ok(PublicKey::RSA(key)) = certificate.public_key().parsed()
            && key.key_size() < RSA_BITS
        {
            let says = format!("has an RSA key of {} bits (certificate {})", key.key_size(), at + 1);
            return remark(says, "issue it anew with at least 2048 bits, or ECDSA P-256");
        }
        let signature = certificate.signature_algorithm.algorithm.to_id_string();
        // Nobody verifies how a root signed itself.
        if WEAK_SIGNATURES.contains(&signature.as_str()) && !is_self_issued(certificate) {
            let says = format!("is signed with MD5 or SHA-1 (certificate {})", at + 1);
            return remark(says, "issue it anew; a signature with SHA-256 is today's default");
        }
    }
    let leaf = chain.first()?;
    let validity = leaf.validity();
    let days = (validity.not_after.timestamp() - validity.not_before.timestamp()) / (24 * 3600);
    let public = leaf.extensions().iter().any(|extension| extension.oid.to_id_string() == LOGGED);
    if !public || days <= PUBLIC_DAYS {
        return None;
    }
    remark(
        format!("is valid for {days} days: browsers refuse public ones of more than {PUBLIC_DAYS}"),
        "renew it more often",
    )
}

/// LB607: a private key that other users of the machine may read.
pub(super) fn exposed_key(path: &Path) -> Option<Problem> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let shown = path.display();
    (mode & 0o077 != 0).then(|| {
        let message = format!("private key `{shown}` can be read by others (mode {mode:04o})");
        Problem::new("LB607", message, format!("`chmod 600 {shown}`; let the user that lbd runs as own it"))
    })
}

/// LB609, as far as the files tell: where every trusted certificate is a server's own, each server must find itself
/// in one of them.
pub(super) fn unprovable(pool: &Pool, authorities: &Authorities, report: &mut Report) {
    let Some(tls) = pool.tls.as_ref().filter(|tls| tls.verify == Verify::Full && tls.server_name.is_none())
    else {
        return;
    };
    let parsed = authorities.pinned.iter().filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1));
    let trusted: Vec<X509Certificate<'_>> = parsed.collect();
    if trusted.is_empty() || trusted.iter().any(|certificate| certificate.is_ca()) {
        return;
    }
    for server in &pool.servers {
        let Ok(address) = server.host.parse::<IpAddr>() else { continue };
        if trusted.iter().any(|certificate| is_for(certificate, address)) {
            continue;
        }
        let message =
            format!("no certificate in `ca=` is for the address of server `{}`, {address}", server.name);
        report.push(
            Diagnostic::warning("LB609", tls.span, message)
                .label("its certificate cannot be verified")
                .help(format!(
                    "issue it with `subjectAltName=IP:{address}`, or say the name in it: `server-name=\"…\"`"
                ))
                .subject(format!("pool/{}", pool.name)),
        );
    }
}

fn is_for(certificate: &X509Certificate<'_>, address: IpAddr) -> bool {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
    names.value.general_names.iter().any(|name| match (name, address) {
        (GeneralName::IPAddress(bytes), IpAddr::V4(ip)) => *bytes == ip.octets(),
        (GeneralName::IPAddress(bytes), IpAddr::V6(ip)) => *bytes == ip.octets(),
        _ => false,
    })
}

fn is_self_issued(certificate: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == certificate.subject().as_raw()
}

fn says_where_its_issuer_is(certificate: &X509Certificate<'_>) -> bool {
    let extension = certificate.extensions().iter().find(|e| e.oid.to_id_string() == ISSUER_AT.0);
    let Some(ParsedExtension::AuthorityInfoAccess(access)) = extension.map(|e| e.parsed_extension()) else {
        return false;
    };
    access.accessdescs.iter().any(|description| description.access_method.to_id_string() == ISSUER_AT.1)
}
