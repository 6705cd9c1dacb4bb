//! The tools that commands are made with: where they are, which version, what they take. Asked without a cluster: a tool gets
//! neither kubeconfig nor talosconfig for it.

use std::{
    ffi::OsStr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::Door;
use crate::process::{self, Command, Environment, Hooks, Reachable};

/// How long a tool may take to say what it is.
const ASKED: Duration = Duration::from_secs(5);

impl Door {
    /// Where a tool is; else the names of tools that are nearest to its own.
    ///
    /// # Errors
    /// No folder of PATH has it.
    pub fn tool(&self, name: &str) -> Result<PathBuf, Vec<String>> {
        let root = self.parts.folder.as_deref();
        if name.contains('/') {
            let path = root.map_or_else(|| PathBuf::from(name), |root| root.join(name));
            return if is_executable(&path) { Ok(path) } else { Err(vec![]) };
        }
        let path = self.parts.environment.iter().find(|(key, _)| key == "PATH").map(|(_, value)| value.as_os_str());
        let path = process::absolute(path.unwrap_or(OsStr::new("")));
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        if let Some(found) = folders.iter().map(|folder| folder.join(name)).find(|path| is_executable(path)) {
            return Ok(found);
        }
        let mut near: Vec<(f64, String)> = vec![];
        for entry in folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten() {
            let Ok(other) = entry.file_name().into_string() else { continue };
            let score = strsim::jaro_winkler(name, &other);
            if score > 0.9 && is_executable(&entry.path()) {
                near.push((score, other));
            }
        }
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        near.dedup_by(|a, b| a.1 == b.1);
        Err(near.into_iter().map(|(_, name)| name).take(2).collect())
    }

    /// What a tool prints to this command, both streams; none where it fails or takes too long.
    pub fn ask_tool(&self, argv: &[&str]) -> Option<String> {
        let argv: Vec<String> = argv.iter().map(ToString::to_string).collect();
        let env = Environment::new(self.parts.environment.iter().cloned(), &self.parts.env, &Reachable::default());
        let mut command = Command::new(&argv, env.variables());
        command.timeout = Some(ASKED);
        command.cwd = self.parts.folder.as_deref();
        let mut hooks =
            Hooks { on_start: &mut |_| Ok(()), on_line: None, filter: &|text| text.to_string(), on_cancel: None };
        let finished = process::run(&command, &mut hooks).ok()?;
        finished.ended.is_success().then(|| format!("{}\n{}", finished.stdout, finished.stderr))
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
