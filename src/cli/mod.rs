//! The commands that work on files, and the demonstration. One file per command.

pub mod demo;
