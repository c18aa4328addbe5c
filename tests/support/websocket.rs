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
    client.send(format!(
        "GET {target} HTTP/1.1\r\nHost: app.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    ));
    let head = client.read_head();
    assert_eq!(head.status(), 101, "{head:?}");
    assert_eq!(head.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    (WebSocket::from_raw_socket(client.into_stream(), Role::Client, None), head)
}

/// Sends a text and waits for it to come back.
pub(crate) fn round_trip(socket: &mut WebSocket<TcpStream>, text: &str) {
    socket.send(tungstenite::Message::text(text)).unwrap();
    assert_eq!(socket.read().unwrap(), tungstenite::Message::text(text));
}

/// The origin's side: accepts the upgrade and echoes until the client closes.
pub(crate) fn echo(message: &Message, wire: &mut Wire) -> io::Result<After> {
    let key = message.field("sec-websocket-key").unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    wire.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ))?;
    let ahead = wire.reader().buffer().to_vec();
    let stream = wire.reader().get_ref().try_clone()?;
    let mut socket = WebSocket::from_partially_read(stream, ahead, Role::Server, None);
    while let Ok(message) = socket.read() {
        if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
            break;
        }
    }
    Ok(After::Close)
}
