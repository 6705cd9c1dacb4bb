//! Tests that cannot run here say so.

/// What `found` has, or nothing: then this test did not run, which is said aloud and counted by `./test`.
pub fn or_not_run<T>(found: Result<T, String>) -> Option<T> {
    let why = match found {
        Ok(x) => return Some(x),
        Err(why) => why,
    };
    let thread = std::thread::current();
    let test = std::env::var("NEXTEST_TEST_NAME").unwrap_or_else(|_| thread.name().unwrap_or("a test").to_owned());
    eprintln!("\n*** {test} DID NOT RUN: {why}\n");
    if let Some(file) = std::env::var_os("RUNBOOK_TEST_NOT_RUN") {
        use std::io::Write;
        let mut f = std::fs::File::options().create(true).append(true).open(file).expect("./test made the folder");
        // One write, so that lines of tests that end at once stay whole.
        f.write_all(format!("{test}\t{why}\n").as_bytes()).expect("there is room");
    }
    None
}
