//! Every page of `docs/lint`, by code: written by `LBD_BLESS=1 cargo test --test tests linting`.

/// Code and page.
pub(super) const PAGES: &[(&str, &str)] = &[
    ("LB102", include_str!("../../../docs/lint/LB102.md")),
    ("LB104", include_str!("../../../docs/lint/LB104.md")),
];
