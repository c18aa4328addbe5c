//! The `lbd` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    lbd::cli::main()
}
