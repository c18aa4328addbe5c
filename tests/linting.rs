//! `lbd lint`: its rules, each with the page that explains it, and its command line.

mod chains;
mod command;
mod daemon;
mod pages;
mod sarif;
mod schema;
