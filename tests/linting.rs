//! `lbd lint`: its rules, each with the page that explains it, and its command line.

mod pages;
