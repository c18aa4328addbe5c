//! `lbctl sticky export` and `import`: entries as lines, out of one lbd and into another.

use std::io::BufRead;

use crate::failure::Failure;
use crate::screen::Screen;
use http::Method;
use lbctl::args::ExportFormat;
use lbctl::client::{Client, Error, encode};
use lbctl::protocol::{StickyImported, StickyLine};

/// The first line of CSV.
const COLUMNS: &str = "kind,name,key,server,since,used,placed";
/// Bytes of one call: the daemon takes at most a mebibyte.
const BATCH: usize = 512 * 1024;

pub(super) async fn export(
    pool: &str,
    format: ExportFormat,
    client: &Client,
    screen: &Screen,
) -> Result<(), Failure> {
    let mut lines = client.lines(&format!("/v1/sticky/{}/export", encode(pool))).await?;
    if format == ExportFormat::Csv {
        screen.write(&format!("{COLUMNS}\n"));
    }
    while let Some(line) = lines.next::<StickyLine>().await? {
        match format {
            ExportFormat::Ndjson => screen.line(&line),
            ExportFormat::Csv => screen.write(&to_csv(&line)),
        }
    }
    Ok(())
}

pub(super) async fn import(
    pool: &str,
    reason: Option<String>,
    client: &Client,
    screen: &Screen,
) -> Result<(), Failure> {
    let reason = reason.map(|reason| format!("?reason={}", encode(&reason))).unwrap_or_default();
    let path = format!("/v1/sticky/{}/import{reason}", encode(pool));
    let mut total = StickyImported { pool: pool.to_owned(), imported: 0 };
    let mut batch = Vec::new();
    let mut lines = std::io::stdin().lock().lines();
    let mut ended = false;
    while !ended {
        match lines.next() {
            None => ended = true,
            Some(line) => {
                let line = line.map_err(|error| Error::Protocol(format!("stdin: {error}")))?;
                if line.trim().is_empty() || line == COLUMNS {
                    continue;
                }
                batch.extend_from_slice(&if line.starts_with('{') {
                    line.into_bytes()
                } else {
                    of_csv(&line)?
                });
                batch.push(b'\n');
            }
        }
        if !batch.is_empty() && (ended || batch.len() >= BATCH) {
            let body = std::mem::take(&mut batch);
            let done: StickyImported = client.call(Method::POST, &path, Some(body)).await?.read()?;
            total.imported += done.imported;
        }
    }
    screen.data(&total, |_| format!("imported {} entries into {}\n", total.imported, total.pool));
    Ok(())
}

/// No part of a line has commas or quotes but names, which are quoted then.
fn to_csv(line: &StickyLine) -> String {
    let quoted = |text: &str| match text.contains([',', '"']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let name = line.name.as_deref().unwrap_or_default();
    let StickyLine { kind, key, server, since, used, placed, .. } = line;
    format!("{kind},{},{key},{},{since},{used},{placed}\n", quoted(name), quoted(server))
}

fn of_csv(text: &str) -> Result<Vec<u8>, Error> {
    let wrong = || Error::Protocol(format!("stdin: `{text}` is neither JSON nor {COLUMNS}"));
    let fields: [String; 7] = fields(text).try_into().map_err(|_| wrong())?;
    let [kind, name, key, server, since, used, placed] = fields;
    let number = |text: String| text.parse().map_err(|_| wrong());
    let line = StickyLine {
        kind,
        name: Some(name).filter(|name| !name.is_empty()),
        key,
        server,
        since: number(since)?,
        used: number(used)?,
        placed: placed.parse().map_err(|_| wrong())?,
    };
    serde_json::to_vec(&line).map_err(|error| Error::Protocol(error.to_string()))
}

fn fields(text: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = fields.len() - 1;
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => fields[last].extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            letter => fields[last].push(letter),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_read_as_it_is_written() {
        for (name, server) in [(None, "cx1"), (Some("x-device"), "a,b"), (Some("q\"x\""), "10.0.0.1:80")] {
            let line = StickyLine {
                kind: "header".into(),
                name: name.map(Into::into),
                key: "#00ff".into(),
                server: server.into(),
                since: 5,
                used: 7,
                placed: name.is_some(),
            };
            let csv = to_csv(&line);
            let read: StickyLine = serde_json::from_slice(&of_csv(csv.trim_end()).unwrap()).unwrap();
            assert_eq!(read, line, "{csv}");
        }
        for wrong in ["", "a,b", "a,b,c,d,e,f", "a,b,c,d,1,2", "a,b,c,d,1,2,3"] {
            assert!(of_csv(wrong).is_err(), "{wrong}");
        }
    }
}
