//! Writes the UIDs of clusters into `runbook.toml`.

use std::path::Path;

use super::super::{Error, ErrorKind, Runbook};
use crate::{
    bundle,
    event::Cancel,
    model::{Diagnosis, ExitCode, Pinned},
};

impl Runbook {
    /// Pins contexts (those that are named, else all that are no sandbox) to the clusters that they are now: writes each
    /// UID into `runbook.toml`, whose comments and order stay. Gives what was written; a context that is pinned to its
    /// cluster already is left as it is.
    ///
    /// # Errors
    /// A context that cannot be reached; one that is pinned to another cluster, unless `replace`; two that are one cluster;
    /// a file that cannot be written. Then nothing was.
    pub fn pin(
        &self,
        folder: impl AsRef<Path>,
        contexts: &[String],
        replace: bool,
        cancel: &Cancel,
    ) -> Result<(Diagnosis, Vec<Pinned>), Error> {
        let folder = folder.as_ref();
        let Some(config) = self.config_for_doctor(folder)? else {
            return Err(Error::new(ErrorKind::Context, "there is no runbook.toml that a pin could be written into"));
        };
        let real: Vec<String> =
            config.contexts.values().filter(|context| !context.sandbox).map(|context| context.name.clone()).collect();
        if let Some(sandbox) = contexts.iter().find(|name| config.contexts.contains_key(*name) && !real.contains(name))
        {
            let message = format!("context {sandbox} is a sandbox, which needs no pin");
            return Err(Error::new(ErrorKind::Usage, message));
        }
        let wanted = if contexts.is_empty() { &real } else { contexts };
        let diagnosis = self.doctor(folder, wanted, cancel)?;
        let (mut pins, mut text) = (vec![], config.text.to_string());
        for context in &diagnosis.contexts {
            let name = &context.name;
            let Some(identity) = &context.identity else {
                let message = format!("context {name} cannot be reached, so nothing was pinned");
                let error = Error::new(ErrorKind::Context, message).exits(ExitCode::PreflightFailed);
                let why = context.checkups.last().map(|checkup| checkup.text.clone());
                return Err(why.into_iter().fold(error, Error::hint));
            };
            let before = config.contexts.get(name).and_then(|context| context.uid.clone());
            if before.as_deref() == Some(&identity.uid) {
                continue;
            }
            if let (Some(before), false) = (&before, replace) {
                let message = format!(
                    "context {name} is pinned to {before}, and the cluster there is {}: nothing was changed",
                    identity.uid
                );
                let command = format!("runbook doctor --pin --replace --context {name}");
                return Err(Error::new(ErrorKind::Context, message).hint(format!("if it was rebuilt: {command}")));
            }
            text = bundle::pinned(&text, name, &identity.uid)
                .map_err(|why| Error::new(ErrorKind::Internal, format!("{}: {why}", config.path.display())))?;
            pins.push(Pinned { context: name.clone(), uid: identity.uid.clone(), before });
        }
        // two contexts of one cluster are refused as everywhere, before anything is written
        bundle::Config::parse(&config.path, &text)
            .map_err(|error| Error::new(ErrorKind::Context, "nothing was pinned").findings_are(error.0))?;
        if !pins.is_empty() {
            replace_file(&config.path, &text)
                .map_err(|error| Error::new(ErrorKind::Usage, format!("{}: {error}", config.path.display())))?;
        }
        Ok((diagnosis, pins))
    }
}

/// Writes a file whole or not at all, with the permissions that it has; where it is a link, what that leads to.
fn replace_file(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let path = path.canonicalize()?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(path.metadata()?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(&path).map(drop).map_err(|error| error.error)
}
