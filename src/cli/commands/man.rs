use super::super::{command, say};
use crate::{
    model::ExitCode,
    runbook::{Error, ErrorKind},
};

/// Writes the manual page, in roff.
#[derive(clap::Args, Debug)]
pub struct Args {}

pub fn run() -> Result<ExitCode, Error> {
    let mut page = vec![];
    clap_mangen::Man::new(command())
        .render(&mut page)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("the manual page: {error}")))?;
    say::result(&String::from_utf8_lossy(&page));
    Ok(ExitCode::Done)
}
