//! HTTP/1.1 over the Unix socket of a running lbd.
//!
//! One connection per call: calls are rare and a daemon that restarts in between must not matter. The client
//! never retries: a change that may have happened is the caller's to judge.

use crate::protocol::{Exit, GENERATION_HEADER, PROBLEM_CONTENT_TYPE, Problem};
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

/// How to reach one daemon.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    timeout: Option<Duration>,
}

/// A whole reply.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The generation that the daemon ran when it answered.
    pub generation: Option<u64>,
    /// The body.
    pub body: Bytes,
}

/// Lines of JSON as they come.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
    ended: bool,
    // Drives the connection, and ends with this value.
    _driver: JoinSet<()>,
}

/// Why a call failed.
#[derive(Debug)]
pub enum Error {
    /// Nobody listens on the socket.
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file system does not let us use the socket.
    Forbidden {
        /// The socket.
        socket: PathBuf,
    },
    /// The daemon says no.
    Problem(Box<Problem>),
    /// No answer in time.
    Timeout(Duration),
    /// What came is not what this library understands.
    Protocol(String),
}

impl Client {
    /// A client of the daemon behind `socket`.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), timeout: None }
    }

    /// Whole calls must end within `timeout`. Streams are not bounded by it once they have begun.
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// The limit of a whole call.
    pub fn limit(&self) -> Option<Duration> {
        self.timeout
    }

    /// The socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// One call; a status of 400 and above is returned as it came.
    pub async fn call(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Reply, Error> {
        self.within(async {
            let (response, _driver) = self.begin(method, path, body).await?;
            let status = response.status();
            let generation = response.headers().get(GENERATION_HEADER);
            let generation = generation.and_then(|value| value.to_str().ok()?.parse().ok());
            let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
            Ok(Reply { status, generation, body })
        })
        .await
    }

    /// `GET`, read as `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.call(Method::GET, path, None).await?.read()
    }

    /// Any method with a JSON body, read as `T`.
    pub async fn send<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body).map_err(|error| Error::Protocol(error.to_string()))?;
        self.call(method, path, Some(body)).await?.read()
    }

    /// Any method without a body, read as `T`.
    pub async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, Error> {
        self.call(method, path, None).await?.read()
    }

    /// Any method without a body, read as text.
    pub async fn text(&self, method: Method, path: &str) -> Result<String, Error> {
        let reply = self.call(method, path, None).await?;
        if !reply.status.is_success() {
            return Err(reply.problem());
        }
        Ok(String::from_utf8_lossy(&reply.body).into_owned())
    }

    /// `GET` of a stream of JSON lines.
    pub async fn lines(&self, path: &str) -> Result<Lines, Error> {
        let (response, driver) = self.within(self.begin(Method::GET, path, None)).await?;
        if response.status().is_success() {
            let body = response.into_body();
            return Ok(Lines { body, buffer: Vec::new(), ended: false, _driver: driver });
        }
        let status = response.status();
        let body = response.into_body().collect().await.map_err(broken)?.to_bytes();
        Err(Reply { status, generation: None, body }.problem())
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match self.timeout {
            None => work.await,
            Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or(Err(Error::Timeout(limit))),
        }
    }

    async fn begin(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(http::Response<Incoming>, JoinSet<()>), Error> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|source| match source.kind() {
            io::ErrorKind::PermissionDenied => Error::Forbidden { socket: self.socket.clone() },
            _ => Error::Unreachable { socket: self.socket.clone(), source },
        })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // An error here reaches the caller through the response or its body.
            let _ = connection.await;
        });
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "lbd")
            .header(CONTENT_TYPE, "application/json")
            .header("accept", format!("application/json, {PROBLEM_CONTENT_TYPE}"))
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| Error::Protocol(format!("`{path}` is not a path: {error}")))?;
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok((response, driver))
    }
}

impl Reply {
    /// The body as `T`, or the problem that it is.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, Error> {
        if !self.status.is_success() {
            return Err(self.problem());
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::Protocol(format!("unexpected answer: {error}")))
    }

    fn problem(self) -> Error {
        match serde_json::from_slice(&self.body) {
            Ok(problem) => Error::Problem(Box::new(problem)),
            Err(_) => {
                let text = String::from_utf8_lossy(&self.body);
                Error::Protocol(format!("the daemon answered {} {text}", self.status.as_u16()))
            }
        }
    }
}

impl Lines {
    /// The next line; `None` at the end.
    pub async fn next_line(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                if line.is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            if self.ended {
                let rest = std::mem::take(&mut self.buffer);
                return Ok((!rest.is_empty()).then_some(rest));
            }
            match self.body.frame().await {
                None => self.ended = true,
                Some(frame) => {
                    if let Some(data) = frame.map_err(broken)?.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
            }
        }
    }

    /// The next line as `T`; `None` at the end.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let Some(line) = self.next_line().await? else { return Ok(None) };
        let value = serde_json::from_slice(&line);
        value.map(Some).map_err(|error| Error::Protocol(format!("unexpected line: {error}")))
    }
}

impl Error {
    /// The exit code that it means.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Forbidden { .. } => Exit::NotPermitted,
            Self::Problem(problem) => problem.exit(),
            Self::Timeout(_) => Exit::Deadline,
            Self::Protocol(_) => Exit::Failed,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Vec<String> {
        match self {
            Self::Unreachable { .. } => {
                vec!["is lbd running? for another socket say --socket PATH or set LBD_SOCKET".to_owned()]
            }
            Self::Forbidden { .. } => {
                vec!["join the group that owns the socket, or become its owner (sudo)".to_owned()]
            }
            Self::Problem(problem) => problem.help.clone(),
            Self::Timeout(_) => vec!["what was asked may still be done: look with lbctl status".to_owned()],
            Self::Protocol(_) => {
                vec!["is lbctl as new as lbd? compare lbctl --version with lbctl daemon info".to_owned()]
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { socket, source } => {
                let why = match source.kind() {
                    io::ErrorKind::NotFound => "there is no such socket".to_owned(),
                    io::ErrorKind::ConnectionRefused => "nobody listens on it".to_owned(),
                    _ => source.to_string(),
                };
                write!(f, "cannot reach lbd on {}: {why}", socket.display())
            }
            Self::Forbidden { socket } => write!(f, "not permitted to use {}", socket.display()),
            Self::Problem(problem) if problem.detail.is_empty() => f.write_str(&problem.title),
            Self::Problem(problem) => f.write_str(&problem.detail),
            Self::Timeout(limit) => {
                write!(f, "no answer within {}", crate::protocol::units::format_duration(*limit))
            }
            Self::Protocol(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

/// One path segment or query value, percent-encoded.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn broken(error: hyper::Error) -> Error {
    Error::Protocol(format!("the connection to lbd broke: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_for_paths() {
        assert_eq!(encode("tw-1.a_b~"), "tw-1.a_b~");
        assert_eq!(encode("a/b c%ü"), "a%2Fb%20c%25%C3%BC");
    }

    #[tokio::test]
    async fn a_missing_daemon_names_the_socket_and_how_to_choose_another() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("none.sock");
        let error = Client::new(&socket).get::<serde_json::Value>("/v1").await.unwrap_err();
        assert_eq!(error.exit(), Exit::Unreachable);
        assert_eq!(
            error.to_string(),
            format!("cannot reach lbd on {}: there is no such socket", socket.display())
        );
        assert!(error.help()[0].contains("LBD_SOCKET") && error.help()[0].contains("--socket"));
    }
}
