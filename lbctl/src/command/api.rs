//! `lbctl api METHOD PATH`: raw access, so that no feature waits for a verb.

use crate::failure::Failure;
use crate::screen::Screen;
use http::Method;
use lbctl::client::Client;
use lbctl::protocol::{Exit, Problem};

pub(super) async fn run(
    method: &str,
    path: &str,
    data: Option<String>,
    client: &Client,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let method: Method = method
        .to_ascii_uppercase()
        .parse()
        .map_err(|_| Failure::new(Exit::Usage, format!("`{method}` is not a method")))?;
    if !path.starts_with('/') {
        return Err(Failure::new(Exit::Usage, format!("`{path}` is not a path; it begins with /v1")));
    }
    if let Some(Err(error)) = data.as_deref().map(serde_json::from_str::<serde_json::Value>) {
        return Err(Failure::new(Exit::Usage, format!("the body is not JSON: {error}")));
    }
    let streams = path.starts_with("/v1/events") || path.contains("/events");
    if method == Method::GET && streams {
        let mut lines = client.lines(path).await?;
        while let Some(line) = lines.next_line().await? {
            screen.write(&format!("{}\n", String::from_utf8_lossy(&line)));
        }
        return Ok(Exit::Done);
    }
    let reply = client.call(method, path, data.map(String::into_bytes)).await?;
    if let Some(generation) = reply.generation {
        screen.detail(&format!("{} generation {generation}", reply.status));
    }
    let mut text = String::from_utf8_lossy(&reply.body).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    screen.write(&text);
    if reply.status.is_success() {
        return Ok(Exit::Done);
    }
    Ok(serde_json::from_slice::<Problem>(&reply.body).map_or(Exit::Failed, |problem| problem.exit()))
}
