//! What mutations begin with: texts of this repository, and the lines of `fuzz/seeds`.

use std::path::{Path, PathBuf};

/// The seeds of a target, always in the same order.
pub(super) fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "lex" | "parse" | "format" | "expect" | "explain" => texts(&["examples", "tests/golden"], "kdl"),
        "import" => texts(&["fuzz/seeds/import"], "cfg"),
        _ => lines(&format!("fuzz/seeds/{}", target.trim_end_matches("-hyper"))),
    }
}

/// One seed a line, in one file of `fuzz/seeds`.
pub(super) fn listed(file: &str) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(here(&format!("fuzz/seeds/{file}"))).unwrap();
    text.lines().filter(|line| !line.starts_with("# ")).map(bytes).collect()
}

fn texts(folders: &[&str], extension: &str) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    folders.iter().for_each(|folder| collect(&here(folder), extension, &mut files));
    files.sort();
    assert!(!files.is_empty(), "{folders:?}");
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn lines(folder: &str) -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    collect(&here(folder), "txt", &mut files);
    files.sort();
    let name = |file: &PathBuf| file.strip_prefix(here("fuzz/seeds")).unwrap().to_str().unwrap().to_owned();
    let seeds: Vec<_> = files.iter().flat_map(|file| listed(&name(file))).collect();
    assert!(seeds.len() > 5, "{files:?}");
    seeds
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn collect(folder: &Path, extension: &str, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, extension, files);
        } else if path.extension().is_some_and(|own| own == extension) {
            files.push(path);
        }
    }
}

/// The bytes that a line stands for.
fn bytes(line: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        let escaped = match byte {
            b'\\' => rest.next(),
            _ => None,
        };
        out.push(match escaped {
            None => byte,
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).expect(line)
            }
            Some(_) => panic!("no such escape: {line}"),
        });
    }
    out
}

/// Words that mean something in the seeds of a target, to be put anywhere.
pub(super) fn words(target: &str) -> &'static [&'static str] {
    match target {
        "lex" | "parse" | "format" | "expect" | "explain" => KDL,
        "import" => HAPROXY,
        "request" | "response" | "request-hyper" | "response-hyper" | "http2" | "chunked" => HTTP,
        "path" | "route" | "cookies" => ROUTES,
        _ => BYTES,
    }
}

#[rustfmt::skip] // words, as many as go to a line
const KDL: &[&str] = &[
    "{", "}", "\"", "\"\"\"", "#\"", "\"#", "/-", "/*", "*/", "//", "\\", ";", "=", "(", ")", "(regex)", "(u8)",
    "#true", "#null", "#nan", "0x", "1_0", "-", "+.5", "1e400", "${", "${env:X:-}", "${file:/}", "$${", "\u{feff}",
    "\u{2028}", "\r\n", "\n", "\t", "\0", "\u{202e}", "\u{1F600}", "let a=\"${a}\"",
    "template t a=1 { use t; }", "use t", "defaults {", "include \"*.kdl\"", "route \"/{a}/{*b}\" pool=app",
    "expect \"http://a/\" none", "99999999999999999999", "true",
];

#[rustfmt::skip] // words, as many as go to a line
const HAPROXY: &[&str] = &[
    "\n", "\r\n", "\"", "'", "\\", "#", "${X}", "${X-é}", " ", "{ ", " }", "!", " or ", " if ", " unless ", "\0", "é",
    "\nfrontend f\n", "\nbackend b\n", "\nlisten l\n", "\ndefaults\n", "\nglobal\n", " bind *:80\n",
    " acl a path_beg -i /x\n", " acl a hdr(host) -f hosts.lst\n", " acl a src 10.0.0.0/8\n", " use_backend b if a !a\n",
    " default_backend b\n", " server s1 10.0.0.1:80 check weight 256 maxconn 0\n", " http-request deny if a\n",
    " redirect scheme https code 301 if !{ ssl_fc }\n", " cookie S insert indirect nocache\n", " balance uri depth 3\n",
    " stick-table type ip size 200k expire 30m\n", " stick on src\n", " option httpchk GET /\n", " timeout client 1d\n",
    " http-request set-path %[path,regsub(^/a,/b)]\n", "99999999999999999999", "-1", "path_reg ^/(a|b)*$", "%[src]",
];

#[rustfmt::skip] // words, as many as go to a line
const HTTP: &[&str] = &[
    "\r", "\n", "\r\n", "\r\n\r\n", " ", "\t", ":", ";", ",", "=", "0", "5", "\0", "\u{b}", "\u{7f}", "é", "\"", "/", "?",
    "#", "%00", "\\", "_", "\r\n ", "HTTP/1.0", "HTTP/1.1", "Host: a\r\n", "Host: b\r\n", "http://a/", "https://A:80",
    "Content-Length: 5\r\n", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n",
    "chunked", ", chunked", "Connection: close\r\n", "Connection: keep-alive, x\r\n", "Connection: Host, Cookie\r\n",
    "Upgrade: websocket\r\n", "TE: trailers\r\n", "X_Y: z\r\n", "Content_Length: 3\r\n", "5\r\nhello\r\n", "0\r\n\r\n",
    "0\r\nA: b\r\n\r\n", ";a=b", "fffffffffffffff", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n", "304", "204", "HEAD", "OPTIONS *", "CONNECT a:1", "[::1]:80", "9223372036854775808",
];

#[rustfmt::skip] // words, as many as go to a line
const ROUTES: &[&str] = &[
    "/", "//", ".", "..", "/../", "%2e", "%2E%2e", ";", ";x", "%3b", "%2f", "%2F", "%5c", "%25", "%252e", "%00", "%0a",
    "%c3%a9", "é", "~", "=", "==", "\"", "%", "%5", "..;", "\n", " ", "?", "&", "+", "*", "{x}", "{*x}", "^/a.*", "(a|b)", "$",
    "\np /a", "\ne /a x", "\ns /a/ S 1", "\nr ^/a/(?<n>b)", "; ", ";;", "S=1", "\t",
];

#[rustfmt::skip] // words, as many as go to a line
const BYTES: &[&str] = &[
    "\0", "\u{1}", "\u{7f}", "\r\n", "\r\n\r\n\0\r\nQUIT\n", "!\u{11}\0\u{c}", "!!\0$", " \0\0\0", "PROXY TCP4 ", "PROXY TCP6 ",
    "UNKNOWN", "192.0.2.1", "::1", "::ffff:1.2.3.4", " 0", " 65535", " 65536", " 00", "\u{16}\u{3}\u{1}\0", "\u{1}\0\0",
    "\0\0\0", "\u{8}", "~\0", "\u{7f}\0\0\0\0\0\0\0", "a.example",
];
