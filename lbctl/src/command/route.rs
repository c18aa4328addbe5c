//! `lbctl route`: the table, and where one request would go.

use crate::failure::Failure;
use crate::screen::Screen;
use http::Method;
use lbctl::args::RouteCommand;
use lbctl::client::{Client, encode};
use lbctl::protocol::{Decision, Exit, Explain, Explanation, Field, Route};
use lbctl::render;

pub(super) async fn run(command: RouteCommand, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    match command {
        RouteCommand::List { site } => {
            let mut routes: Vec<Route> = client.get("/v1/routes").await?;
            if let Some(site) = &site {
                routes.retain(|route| route.hosts.iter().any(|host| host.eq_ignore_ascii_case(site)));
                if routes.is_empty() {
                    return Err(Failure::new(Exit::NoSuchThing, format!("no site names the host `{site}`")));
                }
            }
            screen.data(&routes, |paint| render::routes(&routes, paint));
            Ok(Exit::Done)
        }
        RouteCommand::Of { id } => {
            let decision: Decision = client.get(&format!("/v1/requests/{}", encode(&id))).await?;
            screen.data(&decision, |paint| render::decision(&decision, paint));
            Ok(Exit::Done)
        }
        RouteCommand::Explain { request, headers, from, on } => {
            let (method, url) = match request.as_slice() {
                [method, url] => (Some(method.to_ascii_uppercase()), url.clone()),
                [url] => (None, url.clone()),
                _ => return Err(Failure::new(Exit::Usage, "say [METHOD] URL")),
            };
            let headers = headers.iter().map(|line| field(line)).collect::<Result<_, _>>()?;
            let ask = Explain { method, url, headers, client_ip: from, listener: on };
            let explanation: Explanation = client.send(Method::POST, "/v1/routes/explain", &ask).await?;
            screen.data(&explanation, |paint| render::explanation(&explanation, paint));
            Ok(if explanation.route.is_some() { Exit::Done } else { Exit::Failed })
        }
    }
}

fn field(line: &str) -> Result<Field, Failure> {
    let bad =
        || Failure::new(Exit::Usage, format!("`{line}` is not a header field; write it like 'Name: value'"));
    let (name, value) = line.split_once(':').ok_or_else(bad)?;
    if name.trim().is_empty() {
        return Err(bad());
    }
    Ok(Field { name: name.trim().to_owned(), value: value.trim().to_owned() })
}
