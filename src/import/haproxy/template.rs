//! HAProxy's log-format texts as lbd's texts with holes: `%[path]` is `{path}`.

/// A text, and how it differs.
pub(super) struct Filled {
    pub(super) text: String,
    pub(super) differs: Vec<&'static str>,
}

/// Translates a text; the error names what lbd cannot fill in.
pub(super) fn template(text: &str) -> Result<Filled, String> {
    let mut filled = Filled { text: String::new(), differs: Vec::new() };
    let mut rest = text;
    while let Some(at) = rest.find(['%', '{']) {
        filled.text.push_str(&rest[..at]);
        let (special, behind) = rest[at..].split_at(1);
        rest = behind;
        if special == "{" {
            // What follows the mark of the environment is no hole.
            let env = filled.text.ends_with(super::super::kdl::ENV);
            filled.text.push_str(if env { "{" } else { "{{" });
        } else if let Some(behind) = rest.strip_prefix('%') {
            filled.text.push('%');
            rest = behind;
        } else if let Some(inside) = rest.strip_prefix('[') {
            let end = closing(inside).ok_or("`%[` is not closed")?;
            expression(&inside[..end], &mut filled)?;
            rest = &inside[end + 1..];
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            variable(&rest[..end], &mut filled)?;
            rest = &rest[end..];
        }
    }
    filled.text.push_str(rest);
    Ok(filled)
}

/// Where the bracket closes.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, c) in text.char_indices() {
        match c {
            '[' | '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ']' if depth == 0 => return Some(at),
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn expression(text: &str, into: &mut Filled) -> Result<(), String> {
    let lower = text.trim().to_ascii_lowercase();
    let plain = lower.strip_prefix("req.").unwrap_or(&lower);
    let hole = match plain {
        "hdr(host)"
        | "fhdr(host)"
        | "hdr(host),lower"
        | "hdr(host),field(1,:)"
        | "hdr(host),host_only"
        | "hdr(host),regsub(:.*,)" => {
            into.differs.push("the host is filled in without its port");
            "{host}"
        }
        "ssl_fc_sni" => {
            into.differs.push("the Host of the request stands for the name in the TLS hello");
            "{host}"
        }
        "path" | "capture.req.path" => "{path}",
        "pathq" | "capture.req.uri" | "url" => "{path}{query}",
        _ => {
            if let Some(constant) = lower.strip_prefix("str(").and_then(|rest| rest.strip_suffix(')')) {
                let from = text.to_ascii_lowercase().find(constant).unwrap_or_default();
                let constant = text.trim().get(from..from + constant.len()).unwrap_or(constant);
                into.text.push_str(&constant.trim_matches(['"', '\'']).replace('{', "{{"));
                return Ok(());
            }
            return Err(format!(
                "`%[{text}]` cannot be filled in: lbd knows {{host}}, {{path}} and {{query}} here"
            ));
        }
    };
    into.text.push_str(hole);
    Ok(())
}

fn variable(name: &str, into: &mut Filled) -> Result<(), String> {
    into.text.push_str(match name {
        "HP" => "{path}",
        "HU" => "{path}{query}",
        "HQ" => "{query}",
        _ => {
            return Err(format!(
                "`%{name}` cannot be filled in: lbd knows {{host}}, {{path}} and {{query}} here"
            ));
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lbd_knows_is_filled_in_and_the_rest_is_named() {
        let ok = |text: &str| template(text).map(|filled| filled.text);
        assert_eq!(ok("https://%[hdr(host)]%[path]").as_deref(), Ok("https://{host}{path}"));
        assert_eq!(ok("100%% {a}").as_deref(), Ok("100% {{a}"));
        assert_eq!(ok("/app%[capture.req.uri]").as_deref(), Ok("/app{path}{query}"));
        assert_eq!(ok("%[str(AbC)]").as_deref(), Ok("AbC"));
        assert!(ok("%[src]").is_err());
        assert!(ok("%ci").is_err());
        assert!(ok("%[req.hdr(x").is_err());
    }
}
