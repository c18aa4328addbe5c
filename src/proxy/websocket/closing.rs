//! How a WebSocket is closed in order. Pure: what was seen goes in, what to do comes out.
//!
//! The server is told first and its messages pass until it answers: whatever it sent before is then with the
//! client, whose Close comes in the place of the server's. A server that does not answer in time is not waited
//! for. In the end the client has its time to answer too; then the connections end.

use std::time::Duration;

use super::follow::Place;

/// For the server to answer our Close.
const SERVER: Duration = Duration::from_secs(2);
/// For the message at hand to end, when it comes in fragments.
const MESSAGE: Duration = Duration::from_secs(3);
/// For the frame at hand to end.
const FRAME: Duration = Duration::from_secs(2);
/// For the client to answer our Close (RFC 6455, section 7.1.1, leaves the time to us).
const ECHO: Duration = Duration::from_secs(5);

/// The longest that a close in order takes.
#[cfg(test)]
pub(crate) const LONGEST: Duration =
    Duration::from_secs(SERVER.as_secs() + MESSAGE.as_secs() + FRAME.as_secs() + ECHO.as_secs());

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The server was told; its answer is awaited.
    AskServer,
    /// The client is told as soon as a message ends.
    TellClient,
    /// The client is told as soon as a frame ends.
    Urge,
    /// Both were told.
    Echo,
}

/// One close.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closing(Step);

/// What is seen of both sides.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// The server closed, by a frame or by ending its stream.
    pub(crate) server_closed: bool,
    /// A Close, ours or the server's, is with the client.
    pub(crate) client_told: bool,
    /// The client closed, by a frame or by ending its stream.
    pub(crate) client_closed: bool,
    /// The time that [`Act::Clock`] or [`Act::Tell`] gave is over.
    pub(crate) due: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing yet.
    Wait,
    /// Wait this long from now.
    Clock(Duration),
    /// Put a Close into the client's stream at such a place, and wait this long from now.
    Tell(Place, Duration),
    /// End the connections.
    Finish,
}

impl Closing {
    /// By us: the server is told now. With the time to wait.
    pub(crate) fn ask() -> (Self, Duration) {
        (Self(Step::AskServer), SERVER)
    }

    /// The server is gone: the client is told now.
    pub(crate) fn lost() -> (Self, Duration) {
        (Self(Step::Urge), FRAME)
    }

    /// One of them began it: only bounded.
    pub(crate) fn under_way() -> (Self, Duration) {
        (Self(Step::Echo), ECHO)
    }

    /// Takes what is seen; says what to do.
    pub(crate) fn on(&mut self, seen: Seen) -> Act {
        if seen.client_told && self.0 != Step::Echo {
            self.0 = Step::Echo;
            return if seen.client_closed { Act::Finish } else { Act::Clock(ECHO) };
        }
        match self.0 {
            Step::AskServer | Step::TellClient if seen.server_closed || seen.client_closed => {
                self.0 = Step::Urge;
                Act::Tell(Place::Frame, FRAME)
            }
            Step::AskServer if seen.due => {
                self.0 = Step::TellClient;
                Act::Tell(Place::Message, MESSAGE)
            }
            Step::TellClient if seen.due => {
                self.0 = Step::Urge;
                Act::Tell(Place::Frame, FRAME)
            }
            Step::Urge if seen.due => Act::Finish,
            Step::Echo if seen.client_closed || seen.due => Act::Finish,
            _ => Act::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Seen = Seen { server_closed: false, client_told: false, client_closed: false, due: false };
    const SERVER_CLOSED: Seen = Seen { server_closed: true, ..NOTHING };
    const TOLD: Seen = Seen { client_told: true, ..NOTHING };
    const CLIENT_CLOSED: Seen = Seen { client_closed: true, ..TOLD };
    const DUE: Seen = Seen { due: true, ..NOTHING };

    fn check(mut closing: Closing, steps: &[(Seen, Act)]) {
        for (seen, act) in steps {
            assert_eq!(closing.on(*seen), *act, "{seen:?} of {steps:?}");
        }
    }

    #[test]
    fn the_servers_answer_carries_our_close() {
        let steps =
            [(NOTHING, Act::Wait), (TOLD, Act::Clock(ECHO)), (TOLD, Act::Wait), (CLIENT_CLOSED, Act::Finish)];
        check(Closing::ask().0, &steps);
    }

    #[test]
    fn a_server_that_only_ends_its_stream_has_answered() {
        check(Closing::ask().0, &[(SERVER_CLOSED, Act::Tell(Place::Frame, FRAME)), (TOLD, Act::Clock(ECHO))]);
    }

    #[test]
    fn a_silent_server_a_long_message_and_a_deaf_client_are_not_waited_for_for_ever() {
        let steps = [
            (DUE, Act::Tell(Place::Message, MESSAGE)),
            (NOTHING, Act::Wait),
            (DUE, Act::Tell(Place::Frame, FRAME)),
            (TOLD, Act::Clock(ECHO)),
            (Seen { due: true, ..TOLD }, Act::Finish),
        ];
        check(Closing::ask().0, &steps);
        check(Closing::lost().0, &[(SERVER_CLOSED, Act::Wait), (DUE, Act::Finish)]);
        check(Closing::under_way().0, &[(TOLD, Act::Wait), (DUE, Act::Finish)]);
        assert!(LONGEST <= Duration::from_secs(12));
    }

    #[test]
    fn a_client_that_closes_at_the_same_time_gets_its_answer() {
        let crossed = Seen { client_closed: true, ..NOTHING };
        check(Closing::ask().0, &[(crossed, Act::Tell(Place::Frame, FRAME)), (CLIENT_CLOSED, Act::Finish)]);
    }
}
