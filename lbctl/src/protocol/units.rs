//! Spans of time as people write them: `30s`, `1h30m`, `250ms`.

use std::time::Duration;

/// Reads a span: one or more numbers, each with a unit of `ms`, `s`, `m`, `h` or `d`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a span of time; write it like 30s, 10m or 1h30m");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(bad());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let millis: u64 = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        let part = number.checked_mul(millis).ok_or_else(bad)?;
        total = total.checked_add(Duration::from_millis(part)).ok_or_else(bad)?;
        rest = rest[letters..].trim_start();
    }
    Ok(total)
}

/// Writes a span with its two largest units: `2h 10m`, `3s`, `250ms`.
pub fn format_duration(span: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let seconds = span.as_secs();
    let Some(largest) = UNITS.iter().position(|(_, size)| seconds >= *size) else {
        return if span.is_zero() { "0s".to_owned() } else { format!("{}ms", span.as_millis().max(1)) };
    };
    let (unit, size) = UNITS[largest];
    let mut text = format!("{}{unit}", seconds / size);
    if let Some((unit, next)) = UNITS.get(largest + 1) {
        let second = seconds % size / next;
        if second > 0 {
            text.push_str(&format!(" {second}{unit}"));
        }
    }
    text
}

/// As [`format_duration`], of milliseconds on the wire.
pub fn format_ms(millis: u64) -> String {
    format_duration(Duration::from_millis(millis))
}

/// Reads a rate: `20/s`, `300/m`, `5/h`; how many, in how much time.
pub fn parse_rate(text: &str) -> Result<(u32, Duration), String> {
    let bad = || format!("`{text}` is not a rate; write it like 20/s, 300/m or 5/h");
    let (count, per) = text.split_once('/').ok_or_else(bad)?;
    let seconds = match per {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(bad()),
    };
    let digits = count.bytes().all(|byte| byte.is_ascii_digit());
    let count = count.parse().ok().filter(|count| digits && *count > 0).ok_or_else(bad)?;
    Ok((count, Duration::from_secs(seconds)))
}

/// Writes a rate as [`parse_rate`] reads it.
pub fn format_rate(count: u32, per: Duration) -> String {
    match per.as_secs() {
        60 => format!("{count}/m"),
        3600 => format!("{count}/h"),
        _ => format!("{count}/s"),
    }
}

/// `1 request`, `12 requests`, `9 120 sessions`.
pub fn format_count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", format_number(number))
}

/// `1 204`.
pub fn format_number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        let check = |text: &str, millis: u64| {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        };
        check("0s", 0);
        check("250ms", 250);
        check("30s", 30_000);
        check("1h30m", 5_400_000);
        check("1d 2h", 93_600_000);
        for bad in ["", "30", "s", "1x", "-1s", "1.5h", "99999999999999999999d", "18446744073709551615d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_read_and_written() {
        for text in ["1/s", "500/s", "90/m", "5/h"] {
            let (count, per) = parse_rate(text).unwrap();
            assert_eq!(format_rate(count, per), text);
        }
        for bad in ["", "5", "/s", "0/s", "-1/s", "+5/s", "5/d", "1.5/s", "99999999999/s"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_are_written() {
        let check = |millis: u64, text: &str| assert_eq!(format_ms(millis), text);
        check(0, "0s");
        check(1, "1ms");
        check(999, "999ms");
        check(3_000, "3s");
        check(60_000, "1m");
        check(7_800_000, "2h 10m");
        check(86_400_000 + 61_000, "1d");
    }

    #[test]
    fn numbers_are_grouped_and_counted() {
        let check = |number, text: &str| assert_eq!(format_number(number), text);
        check(0, "0");
        check(999, "999");
        check(1_204, "1 204");
        check(1_234_567, "1 234 567");
        assert_eq!(format_count(1, "request"), "1 request");
        assert_eq!(format_count(1_000, "request"), "1 000 requests");
    }
}
