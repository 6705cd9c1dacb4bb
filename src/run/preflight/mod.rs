//! Preflight: everything that can be found out before the first change, all of it together. One file per concern; each
//! gives its findings and changes nothing. What could not be asked is said, and is never an error.

mod assumptions;
mod clock;
mod discoveries;

use super::{Stop, executor::Run};
use crate::{
    event::{Event, FailureKind},
    model::{Finding, Severity},
};

impl Run {
    /// Everything that can be found out before the first change, all of it together.
    pub fn preflight(&mut self) -> Result<(), Stop> {
        let mut findings: Vec<Finding> = self.declared.findings.clone();
        findings.extend(self.discoveries());
        findings.extend(self.clock());
        findings.extend(self.assumptions()?);
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        self.append(&Event::Preflight { findings: findings.clone() })?;
        if errors == 0 {
            return Ok(());
        }
        let first = findings
            .iter()
            .find(|f| f.severity == Severity::Error)
            .map(|f| f.message.lines().take(2).collect::<Vec<_>>().join("; "))
            .unwrap_or_default();
        let more = if errors > 1 { format!(" (and {} more)", errors - 1) } else { String::new() };
        Err(Self::refused(FailureKind::Preflight, format!("preflight found: {first}{more}; nothing was changed")))
    }
}
