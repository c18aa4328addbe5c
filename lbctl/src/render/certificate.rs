//! Certificates in use.

use super::{Cell, Paint, Table, Tone};
use crate::protocol::Certificate;

/// Fewer days than these are worth a colour.
const SOON: i64 = 30;

/// `lbctl cert list`.
pub fn certificates(certificates: &[Certificate], paint: Paint) -> String {
    if certificates.is_empty() {
        return "no certificates\n".to_owned();
    }
    let mut table = Table::new(&["NAME", "FOR", "EXPIRES", "USED BY", "FILE"]);
    for certificate in certificates {
        table.row(vec![
            certificate.name.clone().into(),
            certificate.names.join(" ").into(),
            Cell::new(expires(certificate), tone(certificate)),
            certificate.used_by.join(" ").into(),
            Cell::new(certificate.chain.clone(), Tone::Dim),
        ]);
    }
    table.render(paint)
}

/// `lbctl cert show`.
pub fn certificate(certificate: &Certificate, paint: Paint) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| out.push_str(&format!("{name:<12} {value}\n"));
    line("name", &certificate.name);
    line("for", &certificate.names.join(" "));
    line("subject", &certificate.subject);
    line("issuer", &certificate.issuer);
    line("serial", &certificate.serial);
    line("valid from", &certificate.not_before.to_string());
    let until = format!("{}, {}", super::time(certificate.not_after), expires(certificate));
    line("valid until", &paint.text(tone(certificate), &until));
    line("fingerprint", &certificate.fingerprint);
    let issuers = match certificate.chain_length {
        0 | 1 => "alone".to_owned(),
        length => format!("{length} certificates"),
    };
    line("chain", &format!("{} ({issuers})", certificate.chain));
    line("key", &certificate.key);
    line("used by", &certificate.used_by.join(" "));
    out
}

fn expires(certificate: &Certificate) -> String {
    match certificate.days_left {
        days @ ..=-1 => format!("{} days ago", -days),
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        days => format!("in {days} days"),
    }
}

fn tone(certificate: &Certificate) -> Tone {
    if certificate.days_left < SOON { Tone::Bad } else { Tone::Good }
}
