use super::super::{command, global::Global, say};
use crate::{
    model::ExitCode,
    runbook::{Error, ErrorKind},
};

/// Writes the manual page, in roff.
#[derive(clap::Args, Debug)]
pub struct Args {}

impl Args {
    pub fn run(&self, _: &Global) -> Result<ExitCode, Error> {
        let mut page = vec![];
        clap_mangen::Man::new(command())
            .render(&mut page)
            .map_err(|error| Error::new(ErrorKind::Internal, format!("the manual page: {error}")))?;
        say::result(&String::from_utf8_lossy(&page));
        Ok(ExitCode::Done)
    }
}
