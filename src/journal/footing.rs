use std::{fs, io, path::Path};

use super::disk::{OsDisk, create_dirs};

/// What a state folder stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footing {
    /// The file system, where the system says which.
    pub name: Option<&'static str>,
    /// What may go wrong on it.
    pub doubt: Option<&'static str>,
}

/// Makes the folder where there is none, writes a file into it durably and takes it away again.
///
/// # Errors
/// What the system says.
pub fn footing(folder: &Path) -> io::Result<Footing> {
    create_dirs(&OsDisk, folder)?;
    let file = tempfile::NamedTempFile::new_in(folder)?;
    fs::write(file.path(), b"runbook")?;
    file.as_file().sync_data()?;
    file.close()?;
    Ok(known(folder))
}

#[cfg(target_os = "linux")]
fn known(folder: &Path) -> Footing {
    let Ok(found) = rustix::fs::statfs(folder) else { return Footing::default() };
    let memory = Some("it is gone at the next start of the machine");
    let network = Some("file locks and syncs of a network file system hold less than those of a disk");
    let (name, doubt) = match u64::try_from(found.f_type).unwrap_or_default() {
        0xef53 => ("ext4", None),
        0x5846_5342 => ("xfs", None),
        0x9123_683e => ("btrfs", None),
        0x2fc1_2fc1 => ("zfs", None),
        0xf2f5_2010 => ("f2fs", None),
        0x794c_7630 => ("overlay", None),
        0x0102_1994 => ("tmpfs", memory),
        0x8584_58f6 => ("ramfs", memory),
        0x6969 => ("nfs", network),
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => ("smb", network),
        0x0102_1997 => ("9p", network),
        0x6573_5546 => ("fuse", network),
        _ => return Footing::default(),
    };
    Footing { name: Some(name), doubt }
}

#[cfg(not(target_os = "linux"))]
fn known(_: &Path) -> Footing {
    Footing::default()
}
