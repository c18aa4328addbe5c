//! `Idempotency-Key`: a POST that is sent again, because its answer was lost, is answered and not done again.
//!
//! A key belongs to its caller and its request. Answers are remembered for ten minutes, and of the last calls only:
//! both bounds are here. What was begun is finished even if its caller goes away.

use super::call::{Call, bad};
use super::reply::{self, Body, Outcome, Reply};
use super::{ControlContext, dispatch};
use http::{HeaderMap, Response};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Bytes;
use lbctl::protocol::{Kind, Problem};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The header.
const HEADER: &str = "idempotency-key";
/// Answers that are remembered.
const MOST: usize = 256;
/// How long.
const MEMORY: Duration = Duration::from_secs(600);
/// The longest key.
const LONGEST: usize = 255;

/// What was asked with a key.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    calls: VecDeque<Asked>,
}

#[derive(Debug)]
struct Asked {
    uid: u32,
    key: String,
    /// Of method, path, query and body.
    digest: [u8; 32],
    at: Instant,
    /// `None` while it is being done.
    answer: Option<Stored>,
}

/// An answer that can be given again.
#[derive(Clone, Debug)]
struct Stored {
    parts: http::response::Parts,
    body: Bytes,
}

/// What a key means now.
enum Known {
    New,
    Answered(Box<Stored>),
}

/// The key of a request, when it bears one and its method needs one.
pub(super) fn key(method: &http::Method, headers: &HeaderMap) -> Result<Option<String>, Box<Problem>> {
    let Some(value) = headers.get(HEADER).filter(|_| method == http::Method::POST) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=LONGEST).contains(&text.len()));
    let text =
        text.ok_or_else(|| bad(format!("an Idempotency-Key has 1 to {LONGEST} visible ASCII letters")))?;
    Ok(Some(text.to_owned()))
}

/// Does the call, unless it was done already.
pub(super) async fn once(context: &Rc<ControlContext>, call: Call, key: String) -> Outcome {
    let digest = digest(&call);
    let known = context.remembered.borrow_mut().begin(call.caller.uid, &key, digest, Instant::now())?;
    if let Known::Answered(stored) = known {
        return Ok(stored.reply());
    }
    let context = Rc::clone(context);
    // A task of its own: a caller that goes away stops nothing.
    let doing = tokio::task::spawn_local(async move {
        let uid = call.caller.uid;
        let outcome = dispatch::dispatch(&context, &call).await;
        let reply = outcome.unwrap_or_else(|problem| reply::problem(&problem));
        let (parts, body) = reply.into_parts();
        let body = match body {
            Either::Left(whole) => whole.collect().await.map(|whole| whole.to_bytes()).unwrap_or_default(),
            // No POST is answered with a stream.
            Either::Right(_) => Bytes::new(),
        };
        let stored = Stored { parts, body };
        context.remembered.borrow_mut().finish(uid, &key, stored.clone());
        stored
    });
    match doing.await {
        Ok(stored) => Ok(stored.reply()),
        Err(error) => Err(Problem::new(Kind::Internal, error.to_string()).into()),
    }
}

impl Remembered {
    fn begin(&mut self, uid: u32, key: &str, digest: [u8; 32], now: Instant) -> Result<Known, Box<Problem>> {
        while self.calls.front().is_some_and(|asked| now.duration_since(asked.at) > MEMORY) {
            self.calls.pop_front();
        }
        if let Some(asked) = self.calls.iter().find(|asked| asked.uid == uid && asked.key == key) {
            if asked.digest != digest {
                let detail = format!("the Idempotency-Key `{key}` was used for another request");
                return Err(Problem::new(Kind::KeyReused, detail)
                    .help("make a new key for each request")
                    .into());
            }
            return match &asked.answer {
                Some(stored) => Ok(Known::Answered(Box::new(stored.clone()))),
                None => Err(Problem::new(Kind::Conflict, "the same request is being done right now")
                    .help("ask again in a moment")
                    .into()),
            };
        }
        if self.calls.len() >= MOST {
            self.calls.pop_front();
        }
        self.calls.push_back(Asked { uid, key: key.to_owned(), digest, at: now, answer: None });
        Ok(Known::New)
    }

    fn finish(&mut self, uid: u32, key: &str, stored: Stored) {
        if let Some(asked) = self.calls.iter_mut().find(|asked| asked.uid == uid && asked.key == key) {
            asked.answer = Some(stored);
        }
    }
}

impl Stored {
    fn reply(&self) -> Reply {
        let body: Body = Either::Left(Full::new(self.body.clone()));
        Response::from_parts(self.parts.clone(), body)
    }
}

/// Each part with its length, so that two requests never read as the same.
fn digest(call: &Call) -> [u8; 32] {
    let mut all = Sha256::new();
    let mut feed = |part: &[u8]| {
        all.update((part.len() as u64).to_be_bytes());
        all.update(part);
    };
    feed(call.method.as_str().as_bytes());
    feed(&(call.path.len() as u64).to_be_bytes());
    call.path.iter().for_each(|part| feed(part.as_bytes()));
    for (name, value) in &call.query {
        feed(name.as_bytes());
        feed(value.as_bytes());
    }
    feed(&call.body);
    all.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Stored {
        let (parts, ()) = Response::new(()).into_parts();
        Stored { parts, body: Bytes::from_static(b"done") }
    }

    #[test]
    fn a_key_is_of_one_caller_and_one_request_for_a_while() {
        let mut remembered = Remembered::default();
        let start = Instant::now();
        let mut begin = |uid, key: &str, digest: u8, after: u64| {
            let known = remembered.begin(uid, key, [digest; 32], start + Duration::from_secs(after));
            if matches!(known, Ok(Known::New)) {
                if key == "slow" {
                    return "begun";
                }
                remembered.finish(uid, key, stored());
            }
            match known {
                Ok(Known::New) => "new",
                Ok(Known::Answered(_)) => "answered",
                Err(problem) if problem.status == 422 => "other request",
                Err(_) => "busy",
            }
        };
        assert_eq!(begin(1, "k", 1, 0), "new");
        assert_eq!(begin(1, "k", 1, 1), "answered");
        assert_eq!(begin(1, "k", 2, 1), "other request");
        assert_eq!(begin(2, "k", 2, 1), "new");
        assert_eq!(begin(1, "slow", 1, 1), "begun");
        assert_eq!(begin(1, "slow", 1, 1), "busy");
        assert_eq!(begin(1, "k", 2, 601), "new", "ten minutes are over");
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut remembered = Remembered::default();
        for number in 0..2 * MOST {
            remembered.begin(1, &number.to_string(), [0; 32], Instant::now()).map(drop).expect("a new key");
        }
        assert_eq!(remembered.calls.len(), MOST);
    }
}
