//! The table of a `*.test.kdl`: what is expected of a configuration. Not part of the language of configurations.

use super::super::{NodeSpec, Type};
use super::{FILE, arg, int, node, prop};

/// Every node of a file of expectations.
pub static EXPECTATIONS: &[NodeSpec] = &TABLE;

#[rustfmt::skip] // one row, one property to a line
const TABLE: [NodeSpec; 8] = [
    node("config", &["root"], "The configuration that is meant. Without it, NAME.test.kdl is about NAME.kdl when that lies beside it, else about lbd.kdl.")
        .args(&[arg("file", FILE)]),
    node("expect", &["root"], "A request, and what must become of it: `expect METHOD \"URL\"`; without a method it is GET. `ws://` and `wss://` are WebSocket handshakes. With the word `none` behind the URL nothing may take it: no site, or no route.")
        .many().args(&[arg("method or URL", Type::Text), arg("URL", Type::Text).opt(), arg("none", Type::Text).opt()])
        .props(&[
            prop("on", Type::Listener, "").without("the listener of the URL's scheme and port").doc("given: the listener that it comes to"),
            prop("client-ip", Type::Cidr, "").without("203.0.113.1").doc("given: who connects"),
            prop("pool", Type::Name, "").without("any").doc("the pool that gets it; where a split draws, one of its pools"),
            prop("server", Type::ServerName, "").without("any").doc("the server that its address, header or key is hashed to, while all servers take clients"),
            prop("sticky", Type::Bool, "").without("either").doc("whether the pool keeps clients on their servers"),
            prop("route", Type::Text, "").without("any").doc("the name of the route: its `name=`, else its first pattern"),
            prop("site", Type::Text, "").without("any").doc("a host of the site, or `default`"),
            prop("status", int(100, 599), "").unit("status").without("any").doc("what lbd answers by itself: a redirect, a fixed answer, a refusal"),
            prop("location", Type::Text, "").without("any").doc("where a redirect leads"),
            prop("path", Type::Text, "").without("any").doc("the path that the server is asked for, with its query if there is one"),
            prop("host", Type::Text, "").without("any").doc("the `Host` that the server is sent"),
        ]),
    node("header", &["expect"], "Given: the request has this field.")
        .many().args(&[arg("name", Type::HeaderName), arg("value", Type::Text)]),
    node("cookie", &["expect"], "Given: the request has this cookie.")
        .many().args(&[arg("name", Type::Token), arg("value", Type::Text)]),
    node("websocket", &["expect"], "Given: the request opens a WebSocket, as one to `wss://` does."),
    node("sends", &["expect"], "The server is sent this field; with this value, if one is written.")
        .many().args(&[arg("name", Type::HeaderName), arg("value", Type::Match).opt()]),
    node("drops", &["expect"], "The server is not sent this field.")
        .many().args(&[arg("name", Type::HeaderName)]),
    node("answers", &["expect"], "The route adds this field to the answer; with this value, if one is written.")
        .many().args(&[arg("name", Type::HeaderName), arg("value", Type::Match).opt()]),
];
