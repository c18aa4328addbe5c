//! What is done with arbitrary bytes, and what must hold whatever they are. Shared by the tests and by `fuzz/`.

pub(crate) mod differential;
mod http1;
mod importer;
mod kdl;
mod routing;
mod wire;

/// Something that takes any bytes, and panics when what must hold does not.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// Its name on a command line.
    pub(crate) name: &'static str,
    /// Takes the bytes.
    pub(crate) check: fn(&[u8]),
}

/// Every target.
pub(crate) const ALL: &[Target] = &[
    Target { name: "lex", check: kdl::lex },
    Target { name: "parse", check: kdl::parse },
    Target { name: "format", check: kdl::format },
    Target { name: "expect", check: kdl::expect },
    Target { name: "explain", check: kdl::explain },
    Target { name: "import", check: importer::haproxy },
    Target { name: "request", check: http1::request },
    Target { name: "response", check: http1::response },
    Target { name: "chunked", check: http1::chunked },
    Target { name: "http2", check: http1::http2 },
    Target { name: "request-hyper", check: differential::requests },
    Target { name: "response-hyper", check: differential::responses },
    Target { name: "proxy", check: wire::proxy },
    Target { name: "hello", check: wire::hello },
    Target { name: "frames", check: wire::frames },
    Target { name: "cookies", check: routing::cookies },
    Target { name: "path", check: routing::path },
    Target { name: "route", check: routing::route },
];

/// The bytes in pieces, whose sizes `seed` decides.
fn splits<'d>(data: &'d [u8], seed: &[u8]) -> Vec<&'d [u8]> {
    let mut sizes = seed.iter().cycle().map(|byte| 1 + usize::from(*byte) % 37);
    let (mut pieces, mut rest) = (Vec::new(), data);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(sizes.next().unwrap_or(7).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
