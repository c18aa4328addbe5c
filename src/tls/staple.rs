//! The authority's answer (OCSP, RFC 6960) that lies beside a chain as `FILE.ocsp`, and whether clients may be shown
//! it. Its signature is not verified here: every client does that, and a wrong one harms nobody else.

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::asn1_rs::Any;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use super::identity::{ContentHash, Problem};
use super::listener::date;

/// A longer file is no answer: one for a single certificate has a few KiB.
const LIMIT: usize = 64 << 10;
/// By how many seconds the authority's clock may be ahead.
const SKEW: i64 = 300;
/// 1.3.6.1.5.5.7.48.1.1, the only kind of answer that clients know.
const BASIC: &[u8] = &[0x2B, 6, 1, 5, 5, 7, 0x30, 1, 1];

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const ENUMERATED: u8 = 0x0A;
const TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;

/// An answer that may be shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Staple {
    pub(super) bytes: Vec<u8>,
    /// Seconds since 1970; from then on it is not shown.
    pub(super) until: i64,
}

impl Staple {
    pub(super) fn hash(&self) -> ContentHash {
        Sha256::digest(&self.bytes).into()
    }
}

/// Where the answer about the certificate in `chain` lies, if anywhere.
pub(super) fn path(chain: &Path) -> PathBuf {
    let mut path = chain.as_os_str().to_owned();
    path.push(".ocsp");
    path.into()
}

/// The answer beside `chain`, in which `leaf` is; `None` when there is no such file.
pub(super) fn read(chain: &Path, leaf: &CertificateDer<'_>, now: i64) -> Result<Option<Staple>, Problem> {
    let file = path(chain);
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(&file).and_then(|opened| opened.take(LIMIT as u64 + 1).read_to_end(&mut bytes));
    let judged = match read {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(Unfit::Unreadable(error.to_string())),
        Ok(_) => judge(&bytes, leaf, now),
    };
    match judged {
        Ok(until) => Ok(Some(Staple { bytes, until })),
        Err(unfit) => Err(unfit.problem(chain, &file)),
    }
}

/// Why an answer is not shown.
#[derive(Debug, PartialEq, Eq)]
enum Unfit {
    Unreadable(String),
    TooLong,
    NotOcsp,
    /// The authority could not say; with its status.
    Failed(u8),
    OtherCertificate,
    Revoked,
    Unknown,
    /// Good from then on.
    Early(i64),
    /// Good until then.
    Late(i64),
    /// It says no end.
    Endless,
}

impl Unfit {
    /// LB615
    fn problem(&self, chain: &Path, file: &Path) -> Problem {
        let why = match self {
            Self::Unreadable(error) => format!("it cannot be read: {error}"),
            Self::TooLong => format!("it has more than {} KiB", LIMIT >> 10),
            Self::NotOcsp => "it is no OCSP response in DER".into(),
            Self::Failed(status) => {
                format!("it is no successful answer, but {} (status {status})", failure(*status))
            }
            Self::OtherCertificate => "it is about another certificate (serial number)".into(),
            Self::Revoked => "it says that the certificate is revoked".into(),
            Self::Unknown => "it says that the authority does not know the certificate".into(),
            Self::Early(since) => format!("it is not valid before {}", date(*since)),
            Self::Late(until) => format!("it was valid until {} (nextUpdate)", date(*until)),
            Self::Endless => "it does not say until when it is valid (nextUpdate)".into(),
        };
        let (chain, shown) = (chain.display(), file.display());
        let help = match self {
            Self::Revoked => format!("clients refuse the certificate; put a new one into `{chain}`"),
            Self::Unreadable(_) => "let the user that lbd runs as read the file, or write `ocsp=off`".into(),
            _ => format!(
                "fetch it anew: `openssl ocsp -issuer ISSUER.pem -cert {chain} -url URL -respout {shown}`, where \
                 `openssl x509 -noout -ocsp_uri -in {chain}` says the URL; or write `ocsp=off`"
            ),
        };
        Problem::new("LB615", format!("`{shown}` is not stapled: {why}"), help)
    }
}

fn failure(status: u8) -> &'static str {
    match status {
        1 => "malformedRequest",
        2 => "internalError",
        3 => "tryLater",
        5 => "sigRequired",
        6 => "unauthorized",
        _ => "an error",
    }
}

/// Until when the answer in `bytes` may be shown with `leaf`.
fn judge(bytes: &[u8], leaf: &CertificateDer<'_>, now: i64) -> Result<i64, Unfit> {
    if bytes.len() > LIMIT {
        return Err(Unfit::TooLong);
    }
    let singles = match answer(bytes).ok_or(Unfit::NotOcsp)? {
        Answer::Failed(status) => return Err(Unfit::Failed(status)),
        Answer::About(singles) => singles,
    };
    let leaf = X509Certificate::from_der(leaf).map_err(|_| Unfit::OtherCertificate)?.1;
    let about = singles.iter().find(|single| single.serial == leaf.raw_serial());
    let single = about.ok_or(Unfit::OtherCertificate)?;
    match single.status {
        Status::Good => {}
        Status::Revoked => return Err(Unfit::Revoked),
        Status::Unknown => return Err(Unfit::Unknown),
    }
    let until = single.until.ok_or(Unfit::Endless)?;
    if single.since > now + SKEW {
        Err(Unfit::Early(single.since))
    } else if until <= now {
        Err(Unfit::Late(until))
    } else {
        Ok(until)
    }
}

enum Answer<'a> {
    Failed(u8),
    About(Vec<Single<'a>>),
}

/// What is said of one certificate.
struct Single<'a> {
    serial: &'a [u8],
    status: Status,
    since: i64,
    until: Option<i64>,
}

enum Status {
    Good,
    Revoked,
    Unknown,
}

/// An `OCSPResponse`, RFC 6960 section 4.2.1; `None` when the bytes are none.
fn answer(bytes: &[u8]) -> Option<Answer<'_>> {
    let mut file = Der(bytes);
    let mut response = Der(file.take(SEQUENCE)?);
    let &[status] = response.take(ENUMERATED)? else { return None };
    if !file.is_empty() {
        return None;
    }
    if status != 0 {
        return Some(Answer::Failed(status));
    }
    let mut typed = Der(Der(response.take(context(0))?).take(SEQUENCE)?);
    if typed.take(OID)? != BASIC {
        return None;
    }
    let mut basic = Der(Der(typed.take(OCTETS)?).take(SEQUENCE)?);
    let mut data = Der(basic.take(SEQUENCE)?);
    // The version, if it is not the first; who answered, by name or by key; when.
    let _ = data.take(context(0));
    data.take(context(1)).or_else(|| data.take(context(2)))?;
    data.take(TIME)?;
    let mut responses = Der(data.take(SEQUENCE)?);
    let mut singles = Vec::new();
    while !responses.is_empty() {
        singles.push(single(Der(responses.take(SEQUENCE)?))?);
    }
    Some(Answer::About(singles))
}

fn single(mut response: Der<'_>) -> Option<Single<'_>> {
    let mut certificate = Der(response.take(SEQUENCE)?);
    // The hash function, and the hashes of the issuer's name and key.
    certificate.take(SEQUENCE)?;
    certificate.take(OCTETS)?;
    certificate.take(OCTETS)?;
    let serial = certificate.take(INTEGER)?;
    let status = if response.take(0x80).is_some() {
        Status::Good
    } else if response.take(context(1)).is_some() {
        Status::Revoked
    } else {
        response.take(0x82).map(|_| Status::Unknown)?
    };
    let since = response.time()?;
    let until = match response.take(context(0)) {
        Some(time) => Some(Der(time).time()?),
        None => None,
    };
    Some(Single { serial, status, since, until })
}

/// The first byte of a constructed field with a number.
const fn context(number: u8) -> u8 {
    0xA0 | number
}

/// What is left of the fields of a DER structure.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The content of the next field, if it begins with `identifier`.
    fn take(&mut self, identifier: u8) -> Option<&'a [u8]> {
        if *self.0.first()? != identifier {
            return None;
        }
        let (rest, field) = Any::from_der(self.0).ok()?;
        self.0 = rest;
        Some(field.data)
    }

    /// The next field, a GeneralizedTime, in seconds since 1970.
    fn time(&mut self) -> Option<i64> {
        if *self.0.first()? != TIME {
            return None;
        }
        let (rest, time) = ASN1Time::from_der(self.0).ok()?;
        self.0 = rest;
        Some(time.timestamp())
    }
}

#[cfg(test)]
mod tests;
