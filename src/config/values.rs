//! From texts to quantities: durations, sizes, rates, shares, statuses, networks, addresses, hosts.
//!
//! Pure functions from `&str`; each error says in a few words what is wrong and how the value is
//! written. `typed` ties them to the types of the schema.

mod net;
pub(crate) mod typed;

use std::time::Duration;

pub use net::{ConnectAddress, host, listen_address, network, upstream_address};
pub(crate) use net::{cookie_token, header_name, header_value, host_or_name};

use super::model::StatusSet;

#[cfg(test)]
mod tests;

/// What is wrong with a text, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// What is wrong, a few words.
    pub why: String,
    /// How it is written, when that is known.
    pub write: Option<String>,
}

impl Invalid {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), write: None }
    }

    fn write(mut self, text: impl Into<String>) -> Self {
        self.write = Some(text.into());
        self
    }
}

/// The longest duration that may be written: ten years. Deadlines computed from it never overflow.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 3600);

/// Units of time, longest first.
const TIME_UNITS: &[(&str, u64)] =
    &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Units of size. `KB` counts by a thousand, `KiB` by 1024.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1000),
    ("B", 1),
];

/// `250ms`, `5s`, `1h30m`, `2d`: whole numbers, each with its unit, longer units first.
pub fn duration(text: &str) -> Result<Duration, Invalid> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut longest_allowed = 0;
    if text.is_empty() {
        return Err(Invalid::new("it is empty").write("5s"));
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        if number.is_empty() {
            return Err(Invalid::new("a number and a unit are due").write("5s"));
        }
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        if after.starts_with('.') || after.starts_with(',') {
            return Err(Invalid::new("whole numbers only: 1.5s is written 1s500ms"));
        }
        let Some(place) = TIME_UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(match unit {
                "" => Invalid::new("the unit is missing: ms, s, m, h or d").write(format!("{text}s")),
                _ => {
                    let invalid = Invalid::new(format!("`{unit}` is no unit of time: ms, s, m, h or d"));
                    match time_unit(unit).filter(|_| after.is_empty() && text.starts_with(number)) {
                        Some(meant) => invalid.write(format!("{number}{meant}")),
                        None => invalid,
                    }
                }
            });
        };
        if place < longest_allowed {
            return Err(Invalid::new("longer units come first, each once").write("1h30m"));
        }
        longest_allowed = place + 1;
        let too_long = || Invalid::new("it is longer than ten years");
        let number: u64 = number.parse().map_err(|_| too_long())?;
        let millis = number.checked_mul(TIME_UNITS[place].1).ok_or_else(too_long)?;
        total = total
            .checked_add(Duration::from_millis(millis))
            .filter(|t| *t <= LONGEST)
            .ok_or_else(too_long)?;
        rest = after;
    }
    Ok(total)
}

/// A duration as it would be written.
pub fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (unit, size) in TIME_UNITS {
        if rest >= *size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    text
}

/// The unit that is meant by a longer or a shouted name of it.
fn time_unit(name: &str) -> Option<&'static str> {
    match name.to_ascii_lowercase().as_str() {
        "ms" | "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => Some("ms"),
        "s" | "sec" | "secs" | "second" | "seconds" => Some("s"),
        // Not `M`: elsewhere that is a month.
        "min" | "mins" | "minute" | "minutes" => Some("m"),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some("h"),
        "d" | "day" | "days" => Some("d"),
        _ => None,
    }
}

/// `64KiB`, `10MB`, `512B`.
pub fn size(text: &str) -> Result<u64, Invalid> {
    let (number, unit) = split_number(text);
    if number.is_empty() {
        return Err(Invalid::new("a number and a unit are due").write("64KiB"));
    }
    if unit.starts_with('.') {
        return Err(Invalid::new("whole numbers only").write("1536KiB"));
    }
    let Some((_, factor)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        let meant = SIZE_UNITS.iter().find(|(name, _)| {
            let (given, name) = (unit.trim().to_ascii_lowercase(), name.to_ascii_lowercase());
            given == name || name == format!("{given}ib")
        });
        let invalid = match unit {
            "" => Invalid::new("the unit is missing: B, KiB, MiB, GiB, KB, MB or GB")
                .write(format!("{number}MiB")),
            _ => Invalid::new(format!("`{unit}` is no unit of size: B, KiB, MiB, GiB, KB, MB or GB")),
        };
        return Err(match meant {
            Some((name, _)) if !unit.is_empty() => invalid.write(format!("{number}{name}")),
            _ => invalid,
        });
    };
    let too_large = || Invalid::new("it is too large");
    number.parse::<u64>().map_err(|_| too_large())?.checked_mul(*factor).ok_or_else(too_large)
}

/// A size as it would be written.
pub fn show_size(bytes: u64) -> String {
    let fits = SIZE_UNITS.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    let (unit, factor) = fits.unwrap_or(&("B", 1));
    format!("{}{unit}", bytes / factor)
}

/// So many in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how much time.
    pub per: Duration,
}

/// `100/s`, `1000/m`, `5/h`.
pub fn rate(text: &str) -> Result<Rate, Invalid> {
    let how = || Invalid::new("a number, a slash and s, m or h are due").write("100/s");
    let (count, per) = text.split_once('/').ok_or_else(how)?;
    let seconds = match per {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(how()),
    };
    if !count.bytes().all(|b| b.is_ascii_digit()) {
        return Err(how());
    }
    let count = count.parse().ok().filter(|count| *count > 0).ok_or_else(how)?;
    Ok(Rate { count, per: Duration::from_secs(seconds) })
}

/// `5%`, `0.5%`: from 0 to 100.
pub fn percent(text: &str) -> Result<f64, Invalid> {
    let Some(number) = text.strip_suffix('%') else {
        return Err(Invalid::new("the percent sign is missing")
            .write(format!("{}%", plain_number(text).unwrap_or("5"))));
    };
    let value = plain_number(number).and_then(|n| n.parse::<f64>().ok());
    value
        .filter(|v| (0.0..=100.0).contains(v))
        .ok_or_else(|| Invalid::new("a number from 0 to 100 is due").write("5%"))
}

/// `200`, `200-299`, `200,204`, in any mixture.
pub fn statuses(text: &str) -> Result<StatusSet, Invalid> {
    let mut set = Vec::new();
    for part in text.split(',') {
        let part = part.trim();
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        match (status(from), status(to)) {
            (Some(from), Some(to)) if from <= to => set.push((from, to)),
            (Some(_), Some(_)) => return Err(Invalid::new("a range goes from the smaller to the larger")),
            _ => return Err(Invalid::new("statuses have three digits, 100 to 599").write("200-299")),
        }
    }
    Ok(StatusSet(set))
}

/// `0660`: three or four octal digits.
pub(crate) fn file_mode(text: &str) -> Result<u32, Invalid> {
    let digits = matches!(text.len(), 3 | 4) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = digits.then(|| u32::from_str_radix(text, 8).ok()).flatten();
    mode.filter(|mode| *mode <= 0o777).ok_or_else(|| Invalid::new("three octal digits are due").write("0660"))
}

fn status(text: &str) -> Option<u16> {
    let three_digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
    three_digits.then(|| text.parse().ok()).flatten().filter(|s| (100..600).contains(s))
}

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn plain_number(text: &str) -> Option<&str> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().filter(|b| *b == b'.').count() <= 1;
    plain.then_some(text)
}
