//! The copy of a bundle in the run folder: one JSON document. Text stands in it as text, other content as base64; what
//! holds secrets stands in it with its origin and a digest keyed for this archive alone.

use std::{collections::BTreeMap, path::PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Bundle, BundleError, File, Sensitive, read};
use crate::model::Digest;

/// The newest version that this program reads, and the one that it writes.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Archive {
    version: u32,
    entry: String,
    root: PathBuf,
    digest: Digest,
    /// Hex; what the keyed digests are keyed with.
    key: String,
    #[serde(default)]
    config: Option<(PathBuf, String)>,
    files: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sensitive: Option<Sensitive>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyed: Option<String>,
}

impl Bundle {
    /// The archive. `holds_secret` says of a file's content whether the scrubber knows a value in it: then the file is
    /// not copied either.
    pub fn to_bytes(&self, holds_secret: &dyn Fn(&[u8]) -> bool) -> Result<Vec<u8>, BundleError> {
        let key = match &self.key {
            Some(key) => key.clone(),
            None => new_key()?,
        };
        let mut files = BTreeMap::new();
        for (path, file) in &self.files {
            let mut entry =
                Entry { origin: file.origin.clone(), text: None, base64: None, sensitive: file.sensitive, keyed: None };
            match file.bytes() {
                None => entry.keyed.clone_from(&file.keyed),
                Some(bytes) => {
                    if entry.sensitive.is_none() && file.origin.is_some() && holds_secret(bytes) {
                        entry.sensitive = Some(Sensitive::KnownValue);
                    }
                    if entry.sensitive.is_some() && file.origin.is_some() {
                        entry.keyed = Some(hmac(&key, bytes)?);
                    } else if let Ok(text) = std::str::from_utf8(bytes) {
                        entry.text = Some(text.to_owned());
                    } else {
                        entry.base64 = Some(BASE64_STANDARD.encode(bytes));
                    }
                }
            }
            files.insert(path.clone(), entry);
        }
        let archive = Archive {
            version: VERSION,
            entry: self.entry.clone(),
            root: self.root.clone(),
            digest: self.digest(),
            key,
            config: self.config.as_ref().map(|(path, text)| (path.clone(), text.to_string())),
            files,
        };
        serde_json::to_vec(&archive).map_err(|error| BundleError::Archive(error.to_string()))
    }

    /// Reads an archive back. Files that were not copied are there without content until [`Bundle::read_again`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BundleError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let broken = |error: serde_json::Error| BundleError::Archive(format!("it is damaged ({error})"));
        let head: Head = serde_json::from_slice(bytes).map_err(broken)?;
        if head.version > VERSION {
            let found = head.version;
            return Err(BundleError::Archive(format!("it has version {found}, this program reads up to {VERSION}")));
        }
        let archive: Archive = serde_json::from_slice(bytes).map_err(broken)?;
        let mut files = BTreeMap::new();
        for (path, entry) in archive.files {
            if read::normal(&path).ok().as_deref() != Some(path.as_str()) {
                return Err(BundleError::Archive(format!("`{path}` leads out of it")));
            }
            let content = match (entry.text, entry.base64) {
                (Some(text), _) => Some(text.into_bytes()),
                (None, Some(text)) => Some(
                    BASE64_STANDARD
                        .decode(text)
                        .map_err(|error| BundleError::Archive(format!("`{path}` is damaged ({error})")))?,
                ),
                (None, None) => None,
            };
            if content.is_none() && (entry.keyed.is_none() || entry.origin.is_none()) {
                return Err(BundleError::Archive(format!("`{path}` has no content")));
            }
            let digest = content.as_ref().map(Digest::of);
            let bytes = content.map(Into::into);
            let file = File { bytes, digest, sensitive: entry.sensitive, origin: entry.origin, keyed: entry.keyed };
            files.insert(path, file);
        }
        if !files.contains_key(&archive.entry) {
            return Err(BundleError::Archive(format!("the playbook `{}` is not in it", archive.entry)));
        }
        let bundle = Self {
            root: archive.root,
            entry: archive.entry,
            files,
            config: archive.config.map(|(path, text)| (path, text.into())),
            archived: Some(archive.digest),
            key: Some(archive.key),
        };
        bundle.whole()?;
        Ok(bundle)
    }

    /// Reads the files that were not copied from where they came from; each must be what it was.
    pub fn read_again(&mut self) -> Result<(), BundleError> {
        let key = self.key.clone().unwrap_or_default();
        for (path, file) in &mut self.files {
            let (None, Some(keyed), Some(origin)) = (&file.bytes, &file.keyed, &file.origin) else { continue };
            let changed = |why: String| BundleError::SecretChanged { path: path.clone(), origin: origin.clone(), why };
            let bytes = read::read(origin, path).map_err(|error| changed(error.to_string()))?;
            if hmac(&key, &bytes)? != *keyed {
                return Err(changed("its digest differs".into()));
            }
            file.digest = Some(Digest::of(&bytes));
            file.bytes = Some(bytes.into());
        }
        self.whole()
    }

    /// Whether what is there has the digest that the archive says, as far as it is all there.
    fn whole(&self) -> Result<(), BundleError> {
        if self.archived.as_ref().is_some_and(|archived| *archived != self.digest()) {
            return Err(BundleError::Archive("its files do not have the digest that it says".into()));
        }
        Ok(())
    }

    /// A content's digest, keyed as in the archive that this bundle was read from.
    pub(super) fn keyed(&self, bytes: &[u8]) -> Option<String> {
        hmac(self.key.as_ref()?, bytes).ok()
    }
}

fn hmac(key: &str, bytes: &[u8]) -> Result<String, BundleError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())
        .map_err(|error| BundleError::Archive(format!("its key cannot be used ({error})")))?;
    mac.update(bytes);
    Ok(hex(&mac.finalize().into_bytes()))
}

fn new_key() -> Result<String, BundleError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| BundleError::Archive(format!("the system gave no random: {error}")))?;
    Ok(hex(&key))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
