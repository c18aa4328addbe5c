//! The control socket with real pools behind it.
