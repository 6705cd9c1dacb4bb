//! A playbook from answers, before it is a file.

use std::{fmt, path::Path, sync::Arc};

use super::{Error, ErrorKind, Playbook, Runbook};
use crate::{
    bundle::{Bundle, Config},
    model::{Finding, Severity},
    script::draft::{Answers, draft},
};

/// What a playbook with some answers would be. Nothing is written.
pub struct Draft {
    /// Its text.
    pub text: String,
    /// The playbook that it is.
    pub playbook: Playbook,
}

impl Draft {
    /// What stands against it beside open questions: answers that contradict each other.
    pub fn contradictions(&self) -> Vec<Finding> {
        let open = |finding: &Finding| matches!(finding.rule.as_str(), "open-question" | "undecided");
        let findings = self.playbook.findings().into_iter();
        findings.filter(|finding| finding.severity == Severity::Error && !open(finding)).collect()
    }
}

impl Runbook {
    /// The playbook that some answers come to, as if it stood at `path`: what was answered is its plan, what was not is
    /// asked by it as an open question, and nothing is invented. Nothing is written.
    ///
    /// # Errors
    /// A `runbook.toml` that is refused.
    pub fn draft(&self, answers: &Answers, path: impl AsRef<Path>) -> Result<Draft, Error> {
        let path = path.as_ref();
        let name = path.file_name().map_or_else(|| "playbook.rhai".into(), |name| name.to_string_lossy().into_owned());
        let text = draft(answers, &name);
        let mut bundle = Bundle::in_memory(&name, &text);
        let config =
            self.config(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
        if let Some(config) = &config {
            bundle.set_config(config);
        }
        let playbook = Playbook {
            inner: self.inner.clone(),
            bundle: Arc::new(bundle),
            config: config.map(Arc::new),
            unread: Arc::default(),
            declared: Arc::default(),
        };
        Ok(Draft { text, playbook })
    }

    /// The contexts that the `runbook.toml` above a folder declares, each after the one that it requires: the order of
    /// promotion. None where there is no such file.
    ///
    /// # Errors
    /// A `runbook.toml` that is refused.
    pub fn contexts(&self, folder: impl AsRef<Path>) -> Result<Vec<String>, Error> {
        let Some(config) = self.config(folder.as_ref())? else { return Ok(vec![]) };
        let mut order: Vec<String> = vec![];
        while order.len() < config.contexts.len() {
            let before = order.len();
            for (name, context) in &config.contexts {
                let waits = context
                    .requires
                    .as_ref()
                    .is_some_and(|first| config.contexts.contains_key(first) && !order.contains(first));
                if !waits && !order.contains(name) {
                    order.push(name.clone());
                }
            }
            if order.len() == before {
                // they require each other: any order is as good
                let rest = config.contexts.keys().filter(|name| !order.contains(name)).cloned();
                let rest: Vec<String> = rest.collect();
                order.extend(rest);
            }
        }
        Ok(order)
    }

    fn config(&self, folder: &Path) -> Result<Option<Config>, Error> {
        Config::find(folder, self.inner.config.as_deref())
            .map_err(|error| Error::new(ErrorKind::Usage, "the configuration is refused").findings_are(error.0))
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("text", &self.text).finish_non_exhaustive()
    }
}
