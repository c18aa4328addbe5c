//! WebSockets for tests: a client over the balancer, and the echo that an origin's script can become.

use std::io;
use std::net::{SocketAddr, TcpStream};

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, WebSocket};

use super::{After, Client, Message, Wire};

/// Opens a WebSocket with more `fields` (each ending in CRLF); gives the answer's head too.
pub(crate) fn open(address: SocketAddr, target: &str, fields: &str) -> (WebSocket<TcpStream>, Message) {
    let mut client = Client::connect(address);
    client.send(upgrade(target, fields));
    let head = client.read_head();
    assert_eq!(head.status(), 101, "{head:?}");
    assert_eq!(head.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let (stream, ahead) = client.into_stream();
    (WebSocket::from_partially_read(stream, ahead, Role::Client, None), head)
}

/// Opens a WebSocket that has carried a message to an echo and back. Where clocks are short, a busy machine may be
/// too slow for some of them, but not for all.
pub(crate) fn opened(address: SocketAddr, target: &str) -> WebSocket<TcpStream> {
    super::eventually("a WebSocket that carries messages", || {
        let mut client = Client::connect(address);
        client.send(upgrade(target, ""));
        if client.try_read_head()?.status() != 101 {
            return None;
        }
        let (stream, ahead) = client.into_stream();
        let mut socket = WebSocket::from_partially_read(stream, ahead, Role::Client, None);
        socket.send(tungstenite::Message::text("hello")).ok()?;
        (socket.read().ok()? == tungstenite::Message::text("hello")).then_some(socket)
    })
}

/// The request that opens one.
fn upgrade(target: &str, fields: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: app.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

/// Sends a text and waits for it to come back.
pub(crate) fn round_trip(socket: &mut WebSocket<TcpStream>, text: &str) {
    socket.send(tungstenite::Message::text(text)).unwrap();
    assert_eq!(socket.read().unwrap(), tungstenite::Message::text(text));
}

/// The origin's side: accepts the upgrade and echoes until the client closes.
pub(crate) fn echo(message: &Message, wire: &mut Wire) -> io::Result<After> {
    let mut socket = accept(message, wire)?;
    while let Ok(message) = socket.read() {
        if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
            break;
        }
    }
    Ok(After::Close)
}

/// The origin's side: accepts the upgrade.
pub(crate) fn accept(message: &Message, wire: &mut Wire) -> io::Result<WebSocket<TcpStream>> {
    let key = message.field("sec-websocket-key").unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    wire.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))?;
    let ahead = wire.reader().buffer().to_vec();
    let stream = wire.reader().get_ref().try_clone()?;
    Ok(WebSocket::from_partially_read(stream, ahead, Role::Server, None))
}

/// Reads to the Close: the messages before it, and its code and reason. None when the stream was cut.
pub(crate) fn read_to_close(socket: &mut WebSocket<TcpStream>) -> (Vec<String>, Option<(u16, String)>) {
    let mut texts = Vec::new();
    loop {
        match socket.read() {
            Ok(tungstenite::Message::Close(Some(frame))) => {
                // Reading on sends the answer.
                while socket.read().is_ok() {}
                return (texts, Some((frame.code.into(), frame.reason.to_string())));
            }
            Ok(tungstenite::Message::Close(None)) => return (texts, Some((1005, String::new()))),
            Ok(message) => texts.push(message.into_text().unwrap_or_default().to_string()),
            Err(_) => return (texts, None),
        }
    }
}
