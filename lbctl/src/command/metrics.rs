//! `lbctl metrics`: what the status endpoint gives to Prometheus, over the control socket.

use crate::failure::Failure;
use crate::screen::Screen;
use glob::Pattern;
use http::Method;
use lbctl::client::Client;
use lbctl::protocol::{Exit, Family};

pub(super) async fn run(names: &[String], client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    let wanted = names.iter().map(|name| pattern(name)).collect::<Result<Vec<_>, _>>()?;
    let page = client.text(Method::GET, "/v1/metrics").await?;
    if wanted.is_empty() && !screen.json {
        screen.write(&page);
        return Ok(Exit::Done);
    }
    let mut families = Family::read(&page);
    families.retain(|family| wanted.is_empty() || wanted.iter().any(|one| one.matches(&family.name)));
    if families.is_empty() {
        let message = format!("no metric is named {}", names.join(" or "));
        return Err(Failure::new(Exit::NoSuchThing, message).help("lbctl metrics shows all of them"));
    }
    screen.data(&families, |_| families.iter().map(|family| family.text.as_str()).collect());
    Ok(Exit::Done)
}

/// A part of the name, unless it is a pattern of the whole.
fn pattern(name: &str) -> Result<Pattern, Failure> {
    let whole = if name.contains(['*', '?', '[']) { name.to_owned() } else { format!("*{name}*") };
    Pattern::new(&whole)
        .map_err(|error| Failure::new(Exit::Usage, format!("`{name}` is not a pattern: {error}")))
}
