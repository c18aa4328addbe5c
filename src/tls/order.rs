//! Chains in disorder: which certificates of a file have to change places. Pure.
//!
//! Whole sections move into each other's places, each with the text right above it. Whatever else is in the file, a
//! key above all, stays where it is. Where the order is not certain nothing moves.

use std::ops::Range;
use std::path::Path;

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::pem::Pem;
use crate::config::diagnostic::FileEdit;

/// Chains of more certificates are not put in order.
const MOST: usize = 32;
/// What a section of a certificate begins and ends with.
const FENCES: [&str; 2] = ["-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"];

/// A certificate that takes another one's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Move {
    /// The place.
    range: Range<usize>,
    /// What stands there.
    old: String,
    /// What comes there.
    new: String,
}

impl Move {
    /// As a change of the chain's file.
    pub(super) fn in_file(self, path: &Path) -> FileEdit {
        FileEdit { path: path.to_owned(), range: self.range, old: self.old, new: self.new }
    }
}

/// What puts the file in order: the certificate at `leaf` first, behind each the one that issued it. Nothing when it is
/// in order, when a certificate is left over, or when two could be the next.
pub(super) fn moves(bytes: &[u8], leaf: usize) -> Vec<Move> {
    mended(bytes, leaf).unwrap_or_default()
}

fn mended(bytes: &[u8], leaf: usize) -> Option<Vec<Move>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let sections = sections(text);
    if !(2..=MOST).contains(&sections.len()) {
        return None;
    }
    let chain = Pem::parse(bytes).ok()?.certificates;
    let parsed: Vec<X509Certificate<'_>> = chain
        .iter()
        .map(|der| X509Certificate::from_der(der).ok().map(|(_, it)| it))
        .collect::<Option<_>>()?;
    if parsed.len() != sections.len() {
        return None;
    }
    let order = ordered(&parsed, leaf)?;
    let places = sections.iter().zip(&order).enumerate();
    let moved = places.filter(|(at, (_, from))| at != *from).map(|(_, (place, from))| Move {
        range: place.clone(),
        old: text[place.clone()].to_owned(),
        new: text[sections[*from].clone()].to_owned(),
    });
    Some(moved.collect())
}

/// Where each certificate stands, with the text right above it, which is about it (RFC 7468, section 2).
fn sections(text: &str) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    // Where the lines began that stand right above this one.
    let mut above: Option<usize> = None;
    let mut open: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let (start, words) = (at, line.trim());
        at += line.len();
        if words == FENCES[0] {
            open = Some(above.unwrap_or(start));
        }
        if words.is_empty() || words.starts_with("-----END ") {
            let end = start + line.trim_end().len();
            found.extend(open.take_if(|_| words == FENCES[1]).map(|begin| begin..end));
            above = None;
        } else {
            above = above.or(Some(start));
        }
    }
    found
}

/// The certificates from a leaf on, each issued by the next.
fn ordered(chain: &[X509Certificate<'_>], leaf: usize) -> Option<Vec<usize>> {
    let mut order = vec![leaf];
    while order.len() < chain.len() {
        let issuer = chain.get(*order.last()?)?.issuer().as_raw();
        let is_next = |at: &usize| !order.contains(at) && chain[*at].subject().as_raw() == issuer;
        let mut next = (0..chain.len()).filter(is_next);
        let found = next.next().filter(|_| next.next().is_none())?;
        order.push(found);
    }
    Some(order)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec![format!("{name}.test")]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    /// A leaf, the one that issued it, the one that issued that, and a stranger of the first issuer's name.
    fn certificates() -> [String; 4] {
        let key = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(params("root"), key()).unwrap();
        let upper = CertifiedIssuer::signed_by(params("upper"), key(), &root).unwrap();
        let lower = CertifiedIssuer::signed_by(params("lower"), key(), &upper).unwrap();
        let leaf = params("leaf").signed_by(&key(), &lower).unwrap().pem();
        let twin = params("lower").signed_by(&key(), &root).unwrap().pem();
        [leaf, lower.pem(), upper.pem(), twin]
    }

    fn applied(text: &str, leaf: usize) -> String {
        let mut text = text.to_owned();
        for it in moves(text.clone().as_bytes(), leaf).into_iter().rev() {
            assert_eq!(text[it.range.clone()], it.old);
            text.replace_range(it.range, &it.new);
        }
        text
    }

    #[test]
    fn sections_change_places_and_everything_else_stays() {
        let [leaf, lower, upper, _] = certificates();
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let whole =
            |parts: [&str; 3]| format!("# ours\n\n{}\n{}{key}\n# about it\n{}", parts[0], parts[1], parts[2]);
        let wrong = whole([&leaf, &upper, &lower]);
        // The words right above a certificate go with it.
        let right = format!("# ours\n\n{leaf}\n# about it\n{lower}{key}\n{upper}");
        assert_eq!(applied(&wrong, 0), right);
        assert_eq!(moves(right.as_bytes(), 0), []);
        assert_eq!(applied(&wrong.replace('\n', "\r\n"), 0), right.replace('\n', "\r\n"));
        assert_eq!(applied(&format!("{upper}{lower}{leaf}"), 2), format!("{leaf}{lower}{upper}"));
        let unended = format!("{upper}{leaf}{}", lower.trim_end());
        assert_eq!(applied(&unended, 1).trim_end(), format!("{leaf}{lower}{upper}").trim_end());
    }

    #[test]
    fn what_is_not_certain_stays() {
        let [leaf, lower, upper, twin] = certificates();
        let stays = |text: &str| assert_eq!(moves(text.as_bytes(), 0), [], "{text}");
        stays(&leaf);
        stays(&format!("{leaf}{upper}"));
        stays(&format!("{leaf}{upper}{lower}{twin}"));
        stays(&format!("{leaf}{upper}{lower}{lower}"));
        stays(&format!("{leaf}{upper}{}", &lower[..lower.len() - 20]));
        stays("");
        assert_eq!(moves(leaf.as_bytes(), 7), []);
        assert_eq!(moves(format!("{leaf}{upper}{lower}").as_bytes(), 7), []);
    }
}
