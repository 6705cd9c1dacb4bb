//! The command line's entry point.

fn main() -> std::process::ExitCode {
    runbook::cli::main()
}
