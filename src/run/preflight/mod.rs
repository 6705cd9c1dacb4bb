//! Preflight: everything that can be found out before the first change, all of it together. One file per concern; each
//! gives its findings and changes nothing. What could not be asked is said, and is never an error.

mod apis;
mod assumptions;
mod blast;
mod clock;
mod definitions;
mod differences;
mod discoveries;
mod hosts;
mod keepers;
mod permissions;
mod quota;
mod references;
mod scene;
mod tools;
mod tries;
mod unchecked;
mod unread;

pub(super) use apis::settle;
pub use scene::{Ahead, look_ahead};

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
        let version = self.identity.as_ref().map(|identity| identity.version.clone());
        let ahead = look_ahead(&self.declared, &self.door, version.as_deref(), &self.cancel, self.crew.clock.as_ref());
        self.go_on()?;
        findings.extend(ahead.findings);
        settle(&mut findings);
        let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        self.append(&Event::Preflight { findings: findings.clone(), trial: ahead.steps })?;
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
