//! An application with sessions, on servers that each know only their own, and its clients.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{After, Client, Daemon, Message, Origin, Wire};

/// How clients are kept on their server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Insert,
    Prefix,
    Suffix,
    /// The application writes its server's name behind the session.
    JvmRoute,
    /// The same, and the client takes no cookies: sessions are in paths.
    JvmParam,
    Source,
    SourceHome,
    Header,
    HeaderHome,
    LearnCookie,
    LearnHeader,
    /// Sessions are in paths, and answers tell of them in `Location`.
    LearnParam,
}

impl Mode {
    pub(super) fn kdl(self) -> &'static str {
        match self {
            Self::Insert => "sticky cookie mode=insert name=NODE",
            Self::Prefix => "sticky cookie mode=prefix name=SID",
            Self::Suffix => "sticky cookie mode=suffix name=SID",
            Self::JvmRoute => "sticky cookie mode=suffix name=SID",
            Self::JvmParam => "sticky cookie mode=suffix name=SID parameter=sid",
            Self::Source => "sticky source-ip on-return=stay",
            Self::SourceHome => "sticky source-ip on-return=home",
            Self::Header => "sticky header name=X-Device",
            Self::HeaderHome => "sticky header name=X-Device on-return=home",
            Self::LearnCookie => "sticky learn from=cookie name=SID",
            Self::LearnHeader => "sticky learn from=header name=X-Session",
            Self::LearnParam => "sticky learn from=parameter name=sid",
        }
    }

    /// Whether clients go where the servers' names say: a new server takes its share of them.
    pub(super) fn goes_home(self) -> bool {
        matches!(self, Self::SourceHome | Self::HeaderHome)
    }

    /// Whether the application writes names of servers.
    fn routes(self) -> bool {
        matches!(self, Self::JvmRoute | Self::JvmParam)
    }
}

/// A server of the application: it knows the sessions that it made, and nothing that stickiness adds reaches it.
pub(super) fn server(name: &'static str, mode: Mode) -> Origin {
    let (sessions, made) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    Origin::scripted(move |message, wire| {
        wire.read_body(message)?;
        serve(name, mode, message, wire, (&sessions, &made))
    })
}

type Sessions<'a> = (&'a Mutex<Vec<String>>, &'a AtomicUsize);

fn serve(
    name: &str,
    mode: Mode,
    message: &Message,
    wire: &mut Wire,
    (sessions, made): Sessions<'_>,
) -> std::io::Result<After> {
    let cookies = message.values("cookie").join("; ");
    let in_cookie = cookies.split("; ").find_map(|pair| pair.strip_prefix("SID="));
    let in_path = message.target().split_once(";sid=").map(|(_, id)| id);
    let session = in_cookie.or(in_path).or(message.field("x-session")).unwrap_or_default();
    // Sessions are short: what is long is somebody else's.
    if cookies.contains("NODE") || session.len() > 40 {
        return wire.ok(&format!("{name} saw {cookies}"));
    }
    if sessions.lock().unwrap().iter().any(|known| known == session) {
        return wire.ok(name);
    }
    let route = if mode.routes() { format!(".{name}") } else { String::new() };
    let new = format!("{name}-{}{route}", made.fetch_add(1, Ordering::SeqCst));
    sessions.lock().unwrap().push(new.clone());
    let location =
        if mode == Mode::LearnParam { format!("Location: /app;sid={new}\r\n") } else { String::new() };
    wire.send(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nSet-Cookie: theme=dark\r\nSet-Cookie: SID={new}; Path=/; HttpOnly\r\n\
         {location}X-Session: {new}\r\n\r\n{name}",
        name.len()
    ))?;
    Ok(After::Keep)
}

/// A client with its own address, device and jar.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    mode: Mode,
    number: usize,
    pub(super) jar: BTreeMap<String, String>,
    session: Option<String>,
    path_session: Option<String>,
    extra: Option<String>,
}

impl Visitor {
    pub(super) fn new(mode: Mode) -> Self {
        static NUMBERS: AtomicUsize = AtomicUsize::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::SeqCst);
        let (jar, session, path_session, extra) = Default::default();
        Self { mode, number, jar, session, path_session, extra }
    }

    /// Replaces what it shows by something that nobody gave it.
    pub(super) fn forge(&mut self) {
        // What a mark begins with, and nobody's signature.
        let mark = format!("AQ{}", "A".repeat(42));
        let forged = match self.mode {
            Mode::Prefix => format!("{mark}~forged"),
            Mode::Suffix => format!("forged.{mark}"),
            Mode::JvmRoute | Mode::JvmParam => "forged.s9".to_owned(),
            _ => "forged".to_owned(),
        };
        self.jar.values_mut().for_each(|value| value.clone_from(&forged));
        self.path_session = self.path_session.as_ref().map(|_| forged.clone());
        self.session = self.session.as_ref().map(|_| forged.clone());
        self.extra = Some(forged);
    }

    /// Visits; the name of the server that answered.
    pub(super) fn visit(&mut self, daemon: &Daemon) -> String {
        let mut fields = format!("X-Forwarded-For: 203.0.113.{}\r\n", self.number % 250 + 1);
        let mut target = "/".to_owned();
        match self.mode {
            Mode::Header | Mode::HeaderHome => {
                let device = self.extra.clone().unwrap_or_else(|| format!("device-{}", self.number));
                fields += &format!("X-Device: {device}\r\n");
            }
            Mode::JvmParam | Mode::LearnParam => {
                target += &self.path_session.as_ref().map(|id| format!("app;sid={id}")).unwrap_or_default();
            }
            Mode::LearnHeader => {
                fields += &self.session.as_ref().map(|id| format!("X-Session: {id}\r\n")).unwrap_or_default();
            }
            _ => {
                let cookies: Vec<String> =
                    self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
                if !cookies.is_empty() {
                    fields += &format!("Cookie: {}\r\n", cookies.join("; "));
                }
            }
        }
        let answer = Client::connect(daemon.address()).request("GET", &target, &fields, b"");
        assert_eq!(answer.status(), 200, "{:?}: {answer:?}", self.mode);
        assert!(!answer.text().contains("saw"), "{:?}: a server saw a mark: {}", self.mode, answer.text());
        self.take(&answer);
        answer.text().to_owned()
    }

    fn take(&mut self, answer: &Message) {
        for cookie in answer.values("set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.jar.insert(name.to_owned(), value.to_owned());
            }
        }
        if let Some(session) = answer.field("x-session") {
            self.session = Some(session.to_owned());
            self.path_session = Some(session.to_owned());
        }
    }
}
