//! When certificates end.

use std::collections::BTreeMap;

use super::page::Page;
use crate::snapshot::CertificateFacts;

/// How many are shown; those that end first.
const MOST: usize = 500;

/// Of certificates in use, by file.
pub(super) fn write(page: &mut Page, certificates: &[CertificateFacts]) {
    let mut ends: BTreeMap<&str, (&str, i64)> = BTreeMap::new();
    for one in certificates {
        // A file is shown once, whichever keys it stands beside.
        ends.entry(one.chain.to_str().unwrap_or(&one.name)).or_insert((&one.name, one.not_after));
    }
    let mut ends: Vec<(&str, (&str, i64))> = ends.into_iter().collect();
    ends.sort_by_key(|(_, (_, end))| *end);
    let help = "When a certificate in use ends, in seconds since 1970.";
    page.gauge("lbd_certificate_expiry_timestamp_seconds", &["certificate", "file"], help);
    ends.iter().take(MOST).for_each(|(file, (name, end))| page.sample(&[name, file], end));
}
