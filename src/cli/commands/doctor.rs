use std::env;

use super::super::{global::Global, say};
use crate::{
    event::Cancel,
    model::ExitCode,
    report,
    runbook::{Error, ErrorKind},
};

/// Looks at what runs would stand on: this machine, its tools, and each context.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The contexts that are looked at, as runbook.toml names them; all of them where none is named.
    #[arg(long, value_name = "NAME")]
    context: Vec<String>,
    /// Writes into runbook.toml which cluster each context is (the UID of its kube-system): another one is refused from
    /// then on.
    #[arg(long)]
    pin: bool,
    /// Pins a context that is pinned to another cluster already, which was rebuilt.
    #[arg(long, requires_all = ["pin", "context"])]
    replace: bool,
}

impl Args {
    /// Changes nothing but pins. Exits with 12 where something would stand in the way of a run, with 31 where a context is
    /// another cluster than the one that it is pinned to, or two are one.
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let folder = env::current_dir()
            .map_err(|error| Error::new(ErrorKind::Usage, format!("the working directory cannot be read: {error}")))?;
        let runbook = global.runbook()?;
        let (diagnosis, pins) = if self.pin {
            runbook.pin(&folder, &self.context, self.replace, &Cancel::new())?
        } else {
            (runbook.doctor(&folder, &self.context, &Cancel::new())?, vec![])
        };
        if self.pin {
            if global.json() {
                say::json(&serde_json::json!({ "pinned": pins }));
            } else if pins.is_empty() {
                say::result("every context is pinned to its cluster already\n");
            }
            for pin in pins.iter().filter(|_| !global.json()) {
                let before = pin.before.as_ref().map(|before| format!(", before it was {before}")).unwrap_or_default();
                say::result(&format!("context {} is pinned to {}{before}\n", pin.context, pin.uid));
            }
            return Ok(ExitCode::Done);
        }
        if global.json() {
            say::json(&diagnosis);
        } else {
            say::result(&report::diagnosis(&diagnosis));
        }
        Ok(diagnosis.exit())
    }
}
