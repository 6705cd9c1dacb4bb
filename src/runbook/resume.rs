//! How a run that goes on finds its playbook: its own copy, and what has become of the original since.

use std::{path::Path, sync::Arc};

use super::{
    Error, ErrorKind,
    builder::Inner,
    order::{Differs, Order},
    playbook::{Playbook, complete, config_of},
};
use crate::{
    bundle::{Bundle, ChangeKind},
    event::{Line, RunState, Settings},
    model::RunId,
    run::Ask,
};

impl Playbook {
    /// A run's own copy of its playbook, made to go on.
    pub(super) fn resume(inner: &Arc<Inner>, run: &RunId, each: &mut dyn FnMut(&Line)) -> Result<Order, Error> {
        let opened = inner.store.open_telling(run, each)?;
        let state = &opened.state;
        if state.run.is_none() {
            return Err(not_begun(run));
        }
        let mut bundle = bundle_of(inner, run, state)?;
        bundle
            .read_again()
            .map_err(|error| Error::new(ErrorKind::Refused, format!("run {run} cannot go on: {error}")))?;
        let playbook = Self::of_run(inner, bundle)?;
        let differs = match &state.origin {
            Some(origin) if !state.is_closed() => playbook.differs(run, Path::new(origin)),
            _ => None,
        };
        let context = state.target.as_ref().map(|target| target.name.clone()).unwrap_or_default();
        let mut order = playbook.run(&context);
        order.settings = Settings { until: None, faults: vec![], ..state.settings.clone() };
        order.resumes = Some(opened);
        order.differs = differs.map(Box::new);
        Ok(order)
    }

    /// A run's own copy of its playbook, made to take it back. That its original is another one by now changes nothing.
    pub(super) fn undo(inner: &Arc<Inner>, run: &RunId) -> Result<Order, Error> {
        let state = inner.store.state(run)?;
        if state.run.is_none() {
            return Err(not_begun(run));
        }
        let mut bundle = bundle_of(inner, run, &state)?;
        // a secret file that is another one by now is missed only by a way back that opens it, which says so
        let _ = bundle.read_again();
        let playbook = Self::of_run(inner, bundle)?;
        let context = state.target.as_ref().map(|target| target.name.clone()).unwrap_or_default();
        let mut order = playbook.run(&context);
        order.settings = Settings { until: None, faults: vec![], ..state.settings };
        order.undoes = Some((run.clone(), Ask { by: inner.account.clone(), ..Ask::default() }));
        Ok(order)
    }

    /// A run's own copy of its playbook, to be looked at, with what the run was started with.
    pub(super) fn kept(inner: &Arc<Inner>, run: &RunId) -> Result<(Self, RunState), Error> {
        let state = inner.store.state(run)?;
        if state.run.is_none() {
            return Err(not_begun(run));
        }
        let mut bundle = bundle_of(inner, run, &state)?;
        // what is missing of it is missing in the plan, too
        let _ = bundle.read_again();
        Ok((Self::of_run(inner, bundle)?, state))
    }

    fn of_run(inner: &Arc<Inner>, bundle: Bundle) -> Result<Self, Error> {
        let config = config_of(inner, &bundle)?;
        Ok(Self {
            inner: inner.clone(),
            bundle: Arc::new(bundle),
            config: config.map(Arc::new),
            unread: Arc::default(),
            declared: Arc::default(),
        })
    }

    /// The original, where it is not what this copy is. Without an original there is nothing to compare with: the copy is
    /// the playbook.
    fn differs(&self, run: &RunId, origin: &Path) -> Option<Differs> {
        let now = Bundle::load(origin).ok()?;
        let mut unread = vec![];
        let (mut now, _) = complete(now, &mut unread);
        if now.digest() == self.bundle.digest() {
            return None;
        }
        let mut error =
            Error::new(ErrorKind::Refused, format!("{} is not what run {run} was started with", origin.display()));
        let mut files = vec![];
        for change in now.changed_since(&self.bundle) {
            let word = match change.kind {
                ChangeKind::Added => "added",
                ChangeKind::Removed => "removed",
                ChangeKind::Changed => "changed",
            };
            let file = format!("{}: {word}", change.path);
            let diff = change.diff.as_ref().map(|diff| format!("\n{diff}")).unwrap_or_default();
            error = error.hint(format!("{file}{diff}"));
            files.push(file);
        }
        error = error
            .hint("put it back as it was")
            .hint(format!("or go on with it as it is now: runbook resume {run} --accept-changes"))
            .hint(format!("or give the run up: runbook abandon {run} --reason \"…\""));
        if let Some(config) = &self.config {
            now.set_config(config);
        }
        let playbook = Self { bundle: Arc::new(now), unread: Arc::new(unread), ..self.clone() };
        Some(Differs { playbook, files, error })
    }
}

/// What a run is made of.
fn bundle_of(inner: &Inner, run: &RunId, state: &RunState) -> Result<Bundle, Error> {
    let changed = state.bundle.as_ref().filter(|_| state.changed);
    Bundle::from_bytes(&inner.store.bundle(run, changed)?)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("the bundle of run {run} cannot be read: {error}")))
}

/// A run whose journal has no line says neither what it runs nor where.
fn not_begun(run: &RunId) -> Error {
    Error::new(ErrorKind::Usage, format!("run {run} ended before its first line: nothing was changed"))
        .hint("start it again: runbook run PLAYBOOK --context NAME")
        .hint(format!("runbook abandon {run} --reason \"…\""))
}
