//! The `wasmplex` command: an exit code, and nothing more.

use std::process::ExitCode;

fn main() -> ExitCode {
    wasmplex::cli::main()
}
