//! The files that a command's arguments name: none that the bundle does not hold.

use super::{Call, EffectError, Sort};
use crate::process::rules::Class;

impl Call {
    /// Refuses a command that would read a file which the bundle does not hold: no digest covers it, and a resume on another
    /// machine does not have it.
    pub(super) fn holds_files(&self, native: &str, class: &Class) -> Result<(), EffectError> {
        let door = self.door(native)?;
        let bundle = door.bundle();
        for file in &class.files {
            let path = file.trim_start_matches('@').trim_start_matches("./").trim_end_matches('/');
            if path.contains("://") {
                continue; // the tool's own rules say whether it may fetch
            }
            let Ok(bytes) = bundle.bytes(path) else {
                if matches!(path, "" | ".") || bundle.below(path).next().is_some() {
                    continue;
                }
                let message = format!("`{} {}` reads {file}, which is not in the bundle", class.tool, class.subcommand);
                let is_folder = door.parts.folder.as_ref().is_some_and(|folder| folder.join(path).is_dir());
                let all = if is_folder { "/**" } else { "" };
                return Err(EffectError::new(Sort::Refused, message).help(format!("add files(\"{path}{all}\")")));
            };
            let now = door.parts.folder.as_ref().map(|folder| std::fs::read(folder.join(path)));
            if now.is_some_and(|now| now.map_or(true, |now| now != bytes)) {
                let message =
                    format!("{file} is not on disk as it is in the bundle, and {} would read it there", class.tool);
                return Err(EffectError::new(Sort::Refused, message).help("put it back as it was"));
            }
        }
        Ok(())
    }
}
