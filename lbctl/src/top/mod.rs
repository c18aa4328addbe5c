//! `lbctl top`: a screen that is fed look by look, and keys that change what it shows.
//!
//! Only what changed is drawn, so nothing flickers. The terminal is given back however this ends: by a key, an
//! error, a signal or a panic.

mod app;
mod draw;
mod keys;

use crate::failure::Failure;
use crate::screen::Screen;
use app::{Act, App, Change, Front};
use draw::{Ink, draw};
use http::Method;
use lbctl::client::{Client, Error, Lines, encode};
use lbctl::protocol::{Changed, Exit, Explain, Explanation, Look, SetAdmin};
use lbctl::render::{self, Paint};
use ratatui::DefaultTerminal;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::io::IsTerminal;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// How long a change, or the daemon's return, is waited for before the screen goes on.
const PATIENCE: Duration = Duration::from_secs(3);

/// Columns and rows of a frame that is printed.
pub(crate) type Size = (u16, u16);

pub(crate) async fn run(once: Option<Size>, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    if let Some(size) = once {
        return print(size, client, screen).await;
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, "top needs a terminal; --once prints one frame"));
    }
    // Asked before the screen is taken: a daemon that is not there is told of as everywhere.
    let lines = client.lines("/v1/stream?every=1s").await?;
    let ends = [SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [Ok(mut terminate), Ok(mut hangup)] = ends else {
        return Err(Failure::new(Exit::Failed, "cannot listen for signals"));
    };
    let mut terminal = ratatui::try_init()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot take the terminal: {error}")))?;
    let ink = Ink(screen.paint());
    let shown = tokio::select! {
        shown = show(&mut terminal, lines, client, ink) => shown,
        _ = terminate.recv() => Ok(Exit::Done),
        _ = hangup.recv() => Ok(Exit::Done),
    };
    ratatui::restore();
    shown
}

/// One frame as text.
async fn print(size: Size, client: &Client, screen: &Screen) -> Result<Exit, Failure> {
    let mut lines = client.lines("/v1/stream?every=1s").await?;
    let look: Option<Look> = lines.next().await?;
    let look = look.ok_or_else(|| Failure::new(Exit::Unreachable, "lbd ended the stream"))?;
    if screen.json {
        screen.line(&look);
        return Ok(Exit::Done);
    }
    let mut app = App::default();
    app.take(look);
    screen.write(&frame(&app, size));
    Ok(Exit::Done)
}

/// What a terminal of this size would show.
fn frame(app: &App, (width, height): Size) -> String {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    let Ok(_) = terminal.draw(|frame| draw(frame, app, Ink(Paint::Plain)));
    let buffer = terminal.backend().buffer();
    let row = |y: u16| {
        let text: String = (0..width).filter_map(|x| buffer.cell((x, y))).map(|cell| cell.symbol()).collect();
        text.trim_end().to_owned() + "\n"
    };
    (0..height).map(row).collect()
}

async fn show(
    terminal: &mut DefaultTerminal,
    lines: Lines,
    client: &Client,
    ink: Ink,
) -> Result<Exit, Failure> {
    let broken = |error: std::io::Error| Failure::new(Exit::Failed, format!("the terminal is gone: {error}"));
    let mut keys = keys::listen();
    let mut app = App::default();
    let mut stream = Some(lines);
    loop {
        terminal.draw(|frame| draw(frame, &app, ink)).map_err(broken)?;
        tokio::select! {
            input = keys.recv() => match input {
                None => return Ok(Exit::Done),
                Some(input) => {
                    // All that wait, before the next frame.
                    let mut input = Some(input);
                    while let Some(one) = input {
                        match one.and_then(|key| app.on(key)) {
                            Some(Act::Quit) => return Ok(Exit::Done),
                            Some(act) => obey(act, &mut app, client).await,
                            // A letter, or another size: the frame shows it.
                            None => {}
                        }
                        input = keys.try_recv().ok();
                    }
                }
            },
            look = next(&mut stream, client) => match look {
                Ok(look) => app.take(look),
                Err(error) => {
                    stream = None;
                    app.lost = Some(error.to_string());
                    sleep(PATIENCE / 6).await;
                }
            },
        }
    }
}

/// The next look; from a new stream when there is none.
async fn next(stream: &mut Option<Lines>, client: &Client) -> Result<Look, Error> {
    let lines = match stream {
        Some(lines) => lines,
        None => stream.insert(client.lines("/v1/stream?every=1s").await?),
    };
    let look = tokio::time::timeout(2 * PATIENCE, lines.next()).await;
    let look = look.map_err(|_| Error::Timeout(2 * PATIENCE))??;
    look.ok_or_else(|| Error::Protocol("lbd ended the stream".to_owned()))
}

async fn obey(act: Act, app: &mut App, client: &Client) {
    let client = client.clone().timeout(Some(client.limit().unwrap_or(PATIENCE)));
    match act {
        Act::Quit => {}
        Act::Propose(change) => match put(&change, true, &client).await {
            Ok(changed) => {
                let objects = !changed.effect.guards.is_empty();
                let text = render::effect(&changed, change.state, &change.server_name());
                app.front = Front::Confirm(Change { force: objects, ..change }, text);
            }
            Err(error) => app.front = Front::Text(complaint(&error)),
        },
        Act::Change(change) => match put(&change, false, &client).await {
            Ok(changed) => {
                let text = render::effect(&changed, change.state, &change.server_name());
                app.message = text.lines().next().map(str::to_owned);
            }
            Err(error) => app.front = Front::Text(complaint(&error)),
        },
        Act::Explain(request) => {
            let (method, url) = match request.trim().split_once(' ') {
                Some((method, url)) => (Some(method.to_ascii_uppercase()), url.trim().to_owned()),
                None => (None, request.trim().to_owned()),
            };
            let ask = Explain { method, url, ..Explain::default() };
            let told: Result<Explanation, Error> =
                client.send(Method::POST, "/v1/routes/explain", &ask).await;
            app.front = Front::Text(match told {
                Ok(told) => render::explanation(&told, Paint::Plain),
                Err(error) => complaint(&error),
            });
        }
    }
}

async fn put(change: &Change, dry_run: bool, client: &Client) -> Result<Changed, Error> {
    let wish = SetAdmin { state: change.state, force: change.force, dry_run, ..SetAdmin::default() };
    let path = format!("/v1/pools/{}/servers/{}/admin", encode(&change.pool), encode(&change.server));
    client.send(Method::PUT, &path, &wish).await
}

fn complaint(error: &Error) -> String {
    let help = error.help();
    if help.is_empty() { error.to_string() } else { format!("{error}\n{}", help.join(", or ")) }
}

impl Change {
    fn server_name(&self) -> String {
        format!("{}/{}", self.pool, self.server)
    }
}

#[cfg(test)]
mod tests;
