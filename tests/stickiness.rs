//! Stickiness of every kind, from outside: each mode against all that can happen to its server.

mod cells;
mod marks;
mod site;

use cells::{Cell, Outcome::*};
use site::Mode;

/// What becomes of a client, by what happened since its first visit.
#[rustfmt::skip]
const CELLS: [(Cell, [(Mode, cells::Outcome); 12]); 9] = {
    use Mode::*;
    [
        (Cell::Kept,      [(Insert, Same), (Prefix, Same), (Suffix, Same), (JvmRoute, Same), (JvmParam, Same), (Source, Same), (SourceHome, Same), (Header, Same), (HeaderHome, Same), (LearnCookie, Same), (LearnHeader, Same), (LearnParam, Same)]),
        (Cell::Reload,    [(Insert, Same), (Prefix, Same), (Suffix, Same), (JvmRoute, Same), (JvmParam, Same), (Source, Same), (SourceHome, Same), (Header, Same), (HeaderHome, Same), (LearnCookie, Same), (LearnHeader, Same), (LearnParam, Same)]),
        (Cell::Restart,   [(Insert, Same), (Prefix, Same), (Suffix, Same), (JvmRoute, Same), (JvmParam, Same), (Source, Same), (SourceHome, Same), (Header, Same), (HeaderHome, Same), (LearnCookie, Same), (LearnHeader, Same), (LearnParam, Same)]),
        (Cell::DrainKeep, [(Insert, Same), (Prefix, Same), (Suffix, Same), (JvmRoute, Same), (JvmParam, Same), (Source, Same), (SourceHome, Same), (Header, Same), (HeaderHome, Same), (LearnCookie, Same), (LearnHeader, Same), (LearnParam, Same)]),
        (Cell::DrainMove, [(Insert, Moved), (Prefix, Moved), (Suffix, Moved), (JvmRoute, Moved), (JvmParam, Moved), (Source, Moved), (SourceHome, Moved), (Header, Moved), (HeaderHome, Moved), (LearnCookie, Moved), (LearnHeader, Moved), (LearnParam, Moved)]),
        (Cell::Down,      [(Insert, Moved), (Prefix, Moved), (Suffix, Moved), (JvmRoute, Moved), (JvmParam, Moved), (Source, Moved), (SourceHome, Moved), (Header, Moved), (HeaderHome, Moved), (LearnCookie, Moved), (LearnHeader, Moved), (LearnParam, Moved)]),
        (Cell::Back,      [(Insert, Moved), (Prefix, Moved), (Suffix, Moved), (JvmRoute, Moved), (JvmParam, Moved), (Source, Moved), (SourceHome, Same), (Header, Moved), (HeaderHome, Same), (LearnCookie, Moved), (LearnHeader, Moved), (LearnParam, Moved)]),
        (Cell::Forged,    [(Insert, Mended), (Prefix, Mended), (Suffix, Mended), (JvmRoute, Mended), (JvmParam, Mended), (Source, Same), (SourceHome, Same), (Header, Mended), (HeaderHome, Mended), (LearnCookie, Mended), (LearnHeader, Mended), (LearnParam, Mended)]),
        (Cell::Removed,   [(Insert, Moved), (Prefix, Moved), (Suffix, Moved), (JvmRoute, Moved), (JvmParam, Moved), (Source, Moved), (SourceHome, Moved), (Header, Moved), (HeaderHome, Moved), (LearnCookie, Moved), (LearnHeader, Moved), (LearnParam, Moved)]),
    ]
};

macro_rules! modes {
    ($($name:ident: $mode:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            cells::check(Mode::$mode, &CELLS);
        })*
    };
}

modes! {
    a_cookie_of_its_own: Insert,
    a_mark_before_the_applications_cookie: Prefix,
    a_mark_behind_the_applications_cookie: Suffix,
    the_applications_own_route: JvmRoute,
    the_applications_own_route_in_paths: JvmParam,
    the_address: Source,
    the_address_with_a_way_home: SourceHome,
    a_header: Header,
    a_header_with_a_way_home: HeaderHome,
    a_cookie_that_was_learned: LearnCookie,
    a_header_that_was_learned: LearnHeader,
    a_parameter_that_was_learned: LearnParam,
}
