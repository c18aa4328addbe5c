//! No spelling of a path leads around a more specific route, whatever its server reads.

use proptest::prelude::*;

use super::*;
use crate::router::asked::{Asked, pattern};
use crate::router::{Conditions, PathOptions, RouteEntry};

/// The rule that is to be got around, and what everybody may ask for.
const GUARDED: &str = "/app/admin";
const OPEN: &str = "/";

fn router(options: PathOptions) -> PathRouter<&'static str> {
    let entries = [GUARDED, OPEN].map(|text| RouteEntry {
        patterns: vec![pattern(text)],
        matches: Vec::<Conditions>::new(),
        priority: 0,
        ignore_case: options.ignore_case,
        value: text,
    });
    PathRouter::build(entries.into(), options).unwrap()
}

fn options() -> impl Strategy<Value = PathOptions> {
    any::<(bool, bool, bool)>().prop_map(|(ignore_case, merge_slashes, reject_encoded_slash)| PathOptions {
        ignore_case,
        merge_slashes,
        reject_encoded_slash,
    })
}

/// The route, with the path that its server is sent.
fn taken(path: &str, options: PathOptions) -> Result<(&'static str, String), PathError> {
    let normal = NormalPath::parse(path.as_bytes(), options)?;
    let router = router(options);
    let found = router.find_surely(&normal, &Asked::default())?.expect("the open route takes all");
    Ok((*found.value, String::from_utf8_lossy(normal.forwarded()).into_owned()))
}

/// How a server may read what it is sent.
#[derive(Debug, Clone, Copy)]
struct Server {
    /// It takes what follows a `//` at the start for a host.
    sees_host: bool,
    /// It cuts `;params` off before it decodes, as servlet containers do; and after it too.
    cuts: (bool, bool),
    /// It decodes `%2F`.
    decodes_slash: bool,
    merges: bool,
    ignores_case: bool,
}

impl Server {
    /// Every kind there is.
    fn all() -> impl Iterator<Item = Server> {
        (0..64_u8).map(|bits| {
            let bit = |at: u8| bits & (1 << at) != 0;
            Server {
                sees_host: bit(5),
                cuts: (bit(0), bit(1)),
                decodes_slash: bit(2),
                merges: bit(3),
                ignores_case: bit(4),
            }
        })
    }

    /// Its reading, written without a look at that of the router.
    fn reads(self, path: &str) -> String {
        let cut = |path: String| -> String {
            path.split('/')
                .map(|segment| segment.split(';').next().unwrap_or_default())
                .collect::<Vec<_>>()
                .join("/")
        };
        let path = match path.strip_prefix("//").filter(|_| self.sees_host) {
            Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => path,
        };
        let mut path = if self.cuts.0 { cut(path.to_owned()) } else { path.to_owned() };
        path = decode(&path, self.decodes_slash);
        if self.cuts.1 {
            path = cut(path);
        }
        let mut read: Vec<&str> = Vec::new();
        for segment in path.split('/').skip(1) {
            match segment {
                "." => {}
                ".." => drop(read.pop()),
                "" if self.merges => {}
                segment => read.push(segment),
            }
        }
        let read = format!("/{}", read.join("/"));
        if self.ignores_case { read.to_ascii_lowercase() } else { read }
    }
}

fn decode(path: &str, slashes: bool) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let value = u8::from_str_radix(&rest[at + 1..at + 3], 16).expect("checked by the router");
        match value {
            b'/' if !slashes => out.push_str("%2F"),
            value => out.push(char::from(value)),
        }
        rest = &rest[at + 3..];
    }
    out + rest
}

fn is_guarded(read: &str) -> bool {
    read == GUARDED || read.strip_prefix(GUARDED).is_some_and(|rest| rest.starts_with('/'))
}

#[track_caller]
fn no_server_is_misled(path: &str, options: PathOptions) {
    let Ok((route, sent)) = taken(path, options) else { return };
    if route == GUARDED {
        return;
    }
    // A server that ignores case, or merges slashes, is one whose site is told so.
    let may_be = |server: &Server| {
        (options.ignore_case || !server.ignores_case) && !(options.merge_slashes && server.sees_host)
    };
    for server in Server::all().filter(may_be) {
        // Parameters are parameters for everybody here: a server that knows none reads another name, and no less.
        let read = server.reads(&sent);
        assert!(
            !is_guarded(&read),
            "{path:?} is sent to {OPEN} as {sent:?}, which {server:?} reads as {read:?}"
        );
    }
}

/// Spellings of the guarded path, or of what a careless server takes for it.
const TRICKS: &[&str] = &[
    "/app/admin",
    "/app/admin/",
    "/app/./admin",
    "/app/x/../admin",
    "/app/%2e/admin",
    "/app/x/%2e%2e/admin",
    "/app/x/.%2E/admin",
    "/app;x/admin",
    "/app/admin;x",
    "/app/admin;x=y/z",
    "/app/;x/admin",
    "/;/app/admin",
    "/app/..;/app/admin",
    "/x/..;/app/admin",
    "/app/.;/admin",
    "/app/%61dmin",
    "/app/%61%64%6d%69%6e",
    "/%61pp/admin",
    "//app/admin",
    "/app//admin",
    "///app///admin",
    "//host/app/admin",
    "//host/app%2Fadmin",
    "//host//app/admin",
    "//host/x/../app/admin",
    "//app;x/app/admin",
    "/app/admin//x",
    "/app%2Fadmin",
    "/app%2fadmin",
    "/app%2F%2Fadmin",
    "/app/admin%2Fx",
    "/app/admin%2f..%2fx",
    "/app/x%2F..%2Fadmin",
    "/app%5Cadmin",
    "/app%5cadmin",
    "/app\\admin",
    "/app/admin%3Bx",
    "/app/admin%3bx",
    "/app%3B/admin",
    "/app%3Bx%2Fadmin",
    "/app%3Bx//admin",
    "/app/%2e%2e%3b/app/admin",
    "/app/admin%00",
    "/app/admin%00.css",
    "/app/admin%20",
    "/app/%2561dmin",
    "/app/%252e%252e/admin",
    "/app/admin%2523",
    "/x/../app/admin",
    "/x/%2e%2e/%2e%2e/app/admin",
    "/../app/admin",
    "/..%2Fapp/admin",
    "/app/x/..%2Fadmin",
    "/app/x/..%5Cadmin",
    "/app/admin/..;/x",
    "/app/admin/../admin/x",
    "/app/x/../../app/admin",
    "/app/\u{ff0e}\u{ff0e}/admin",
    "/app/%c0%ae%c0%ae/admin",
    "/app/admin%0a",
    "/app/admin%0d%0aX:y",
    "/app/admin%23",
    "/app/admin%3Fx",
    "/./app/admin",
    "/app/.//admin",
    "/app/;/admin",
    "/app;/;/admin",
    "/app/%3B/admin",
    "/app/%3Ba/admin",
    "/app;x%2Fadmin",
    "/app;%2f;/admin",
    "/app%2F;x/admin",
    "/;%2Fapp/admin",
];

#[test]
fn every_known_trick_ends_at_the_rule_or_in_a_400() {
    for path in TRICKS {
        for options in [(false, false), (true, false), (false, true), (true, true)] {
            let (merge_slashes, reject_encoded_slash) = options;
            for ignore_case in [false, true] {
                no_server_is_misled(path, PathOptions { ignore_case, merge_slashes, reject_encoded_slash });
            }
        }
    }
}

#[test]
fn what_leads_to_two_routes_is_refused_and_the_rest_goes_on() {
    let refused = |path| assert_eq!(taken(path, PathOptions::default()), Err(PathError::TwoRoutes), "{path}");
    for path in [
        "/app%2Fadmin",
        "/app%2fadmin/x",
        "//app/admin",
        "/app//admin",
        "//host/app/admin",
        "/app/admin%2Fx",
        "/app/admin%3Bx",
        "/app%3bx/admin",
        "/app%3Bx%2F%2Fadmin",
        "/app;x%2Fadmin",
    ] {
        refused(path);
    }
    let open =
        |path, sent: &str| assert_eq!(taken(path, PathOptions::default()), Ok((OPEN, sent.to_owned())));
    open("/files/a%2Fb", "/files/a%2Fb");
    open("//files//a", "//files//a");
    open("/files/a%3Bb", "/files/a%3Bb");
    open("/app/administrator", "/app/administrator");
    open("/app/admin%2Dx", "/app/admin-x");
    let merging = PathOptions { merge_slashes: true, ..PathOptions::default() };
    assert_eq!(taken("//app//admin", merging), Ok((GUARDED, "//app//admin".to_owned())));
    let blind = PathOptions { ignore_case: true, ..PathOptions::default() };
    assert_eq!(taken("/APP/Admin", blind), Ok((GUARDED, "/APP/Admin".to_owned())));
    assert_eq!(taken("/APP%2fAdmin", blind), Err(PathError::TwoRoutes));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_spelling_leads_around_a_more_specific_route(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "/", "/", "/", "//", "app", "app", "admin", "admin", "APP", "Admin", ".", "..", "%2e", "%2E%2e", ";",
            ";x", "%3b", "%3B", "%2f", "%2F", "%5C", "%61pp", "%61dmin", "%25", "%20", "x", "..;", "%00",
        ]), 1..12),
        options in options(),
    ) {
        no_server_is_misled(&format!("/{}", pieces.concat()), options);
    }
}
