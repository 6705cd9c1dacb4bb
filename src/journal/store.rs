use std::{
    collections::HashMap,
    fmt, fs,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    BUNDLE, JOURNAL, TORN,
    disk::{self, Disk, OsDisk, create_dirs, private},
    inbox, io_error,
    reader::{self, Mark, Reader},
    writer::{FileLog, Shared, WriterLock},
};
use crate::{
    event::{Clock, Line, Log, Message, Opened, RunState, Store, StoreError, Torn, WallClock},
    model::{Digest, RunId},
    redact::Scrubber,
};

/// Runs in a folder of state. Nothing is touched until a run is made.
pub struct FileStore {
    root: PathBuf,
    shared: Shared,
    /// Up to where each journal was read and proven by this process, so that following one costs what is new.
    marks: Mutex<HashMap<RunId, Mark>>,
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("root", &self.root).finish_non_exhaustive()
    }
}

impl FileStore {
    /// The store in this folder; all that it writes passes the scrubber.
    pub fn new(root: impl Into<PathBuf>, scrubber: Scrubber) -> Self {
        let shared = Shared { disk: Arc::new(OsDisk), scrubber, clock: Arc::new(WallClock) };
        Self { root: root.into(), shared, marks: Mutex::default() }
    }

    /// The same store on another disk.
    #[must_use]
    pub fn on_disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.shared.disk = disk;
        self
    }

    /// The same store with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.shared.clock = clock;
        self
    }

    /// The folder of state.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a run that exists.
    pub fn folder(&self, run: &RunId) -> Result<PathBuf, StoreError> {
        let folder = self.path(run);
        match folder {
            Some(folder) if folder.join(JOURNAL).is_file() => Ok(folder),
            _ => Err(self.no_run(run.as_str())),
        }
    }

    fn runs_folder(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// Where a run of this id is or would be; none for an id that is no name of a folder.
    fn path(&self, run: &RunId) -> Option<PathBuf> {
        let id = run.as_str();
        let plain = !id.is_empty() && !id.starts_with('.') && !id.contains(['/', '\\', '\0']);
        plain.then(|| self.runs_folder().join(id))
    }

    fn no_run(&self, name: &str) -> StoreError {
        let names = self.names().unwrap_or_default();
        let mut near: Vec<(f64, &String)> = names
            .iter()
            .map(|known| (strsim::jaro_winkler(name, known), known))
            .filter(|(score, _)| *score > 0.7)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let nearest = near.into_iter().take(3).map(|(_, name)| name.clone()).collect();
        StoreError::NoRun { name: name.into(), nearest }
    }

    /// The names of all runs, in no order.
    fn names(&self) -> Result<Vec<String>, StoreError> {
        let folder = self.runs_folder();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(source) => return Err(io_error(&folder, source)),
        };
        let named = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            entry.path().join(JOURNAL).is_file().then_some(name)
        };
        Ok(entries.filter_map(|entry| named(entry.ok()?)).collect())
    }

    fn lock(run: &RunId, folder: &Path) -> Result<WriterLock, StoreError> {
        let taken = WriterLock::take(folder).map_err(|source| io_error(folder, source))?;
        taken.map_err(|pid| StoreError::Busy { run: run.clone(), pid })
    }

    /// Cuts what does not prove itself off the end, and keeps it.
    fn cut(&self, folder: &Path, file: &mut fs::File, reader: &Reader) -> io::Result<Option<Torn>> {
        if reader.torn == 0 {
            return Ok(None);
        }
        let disk = &*self.shared.disk;
        let mut tail = vec![];
        file.seek(SeekFrom::Start(reader.mark.offset))?;
        file.read_to_end(&mut tail)?;
        let torn = Torn { line: reader.mark.n + 1, bytes: reader.torn, kept: folder.join(TORN).display().to_string() };
        let mut kept = private().append(true).create(true).open(folder.join(TORN))?;
        let now = self.shared.clock.now();
        disk.append(&mut kept, format!("# {now}: line {}, {} bytes\n", torn.line, torn.bytes).as_bytes())?;
        disk.append(&mut kept, &tail)?;
        disk.append(&mut kept, b"\n")?;
        disk.sync(&kept)?;
        disk.sync_dir(folder)?;
        disk.truncate(file, reader.mark.offset)?;
        disk.sync(file)?;
        Ok(Some(torn))
    }
}

impl Store for FileStore {
    fn create(&self, run: &RunId, bundle: &[u8]) -> Result<Box<dyn Log>, StoreError> {
        let Some(folder) = self.path(run) else { return Err(self.no_run(run.as_str())) };
        let disk = &*self.shared.disk;
        let failed = |source| io_error(&folder, source);
        let mut made = create_dirs(disk, &self.runs_folder()).map_err(failed)?;
        // an id that is taken is an error of kind `AlreadyExists`: the caller draws another
        disk.create_dir(&folder).map_err(failed)?;
        made.insert(0, folder.clone());
        let begin = || {
            let lock = Self::lock(run, &folder)?;
            disk.write(&folder.join(BUNDLE), &self.shared.scrubber.scrub_bytes(bundle)).map_err(failed)?;
            let file = private().append(true).create_new(true).open(folder.join(JOURNAL)).map_err(failed)?;
            Ok((lock, file))
        };
        let (lock, file) = begin().inspect_err(|_: &StoreError| {
            // what is no run is not left lying there; where even that fails, nothing lists it
            let _ = fs::remove_dir_all(&folder);
        })?;
        Ok(Box::new(FileLog::new(self.shared.clone(), &folder, file, Mark::default(), made, lock)))
    }

    fn discard(&self, run: &RunId) -> Result<(), StoreError> {
        let folder = self.folder(run)?;
        let journal = folder.join(JOURNAL);
        let failed = |source| io_error(&folder, source);
        if fs::metadata(&journal).map_err(failed)?.len() > 0 {
            let message = "the run has lines and is kept".into();
            return Err(StoreError::Damaged { path: journal.display().to_string(), line: 1, message });
        }
        fs::remove_dir_all(&folder).map_err(failed)
    }

    fn open_telling(&self, run: &RunId, each: &mut dyn FnMut(&Line)) -> Result<Opened, StoreError> {
        let folder = self.folder(run)?;
        let failed = |source| io_error(&folder.join(JOURNAL), source);
        let lock = Self::lock(run, &folder)?;
        let mut reader = Reader::open(&folder, Mark::default())?;
        let mut state = RunState::default();
        reader.fold_telling(&mut state, each)?;
        reader.may_append()?;
        let mut file = private().read(true).append(true).open(folder.join(JOURNAL)).map_err(failed)?;
        let torn = self.cut(&folder, &mut file, &reader).map_err(failed)?;
        if reader.mark.unended {
            self.shared.disk.append(&mut file, b"\n").map_err(failed)?;
            reader.mark.unended = false;
        }
        let log = FileLog::new(self.shared.clone(), &folder, file, reader.mark, vec![], lock);
        Ok(Opened { log: Box::new(log), state, torn })
    }

    fn read(&self, run: &RunId, from: u64, each: &mut dyn FnMut(Line) -> bool) -> Result<(), StoreError> {
        let folder = self.folder(run)?;
        let from = from.max(1);
        let known = self.marks.lock().unwrap_or_else(PoisonError::into_inner).get(run).cloned();
        let known = known.filter(|mark| mark.n < from && !mark.unended && is_as_long(&folder, mark.offset));
        let mut reader = Reader::open(&folder, known.unwrap_or_default())?;
        while reader.mark.n + 1 < from {
            if !reader.skip()? {
                return Ok(());
            }
        }
        while let Some(proven) = reader.next()? {
            if !each(reader.line(proven)) {
                break;
            }
        }
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone(), reader.mark);
        Ok(())
    }

    fn state(&self, run: &RunId) -> Result<RunState, StoreError> {
        let folder = self.folder(run)?;
        let mut state = RunState::default();
        Reader::open(&folder, Mark::default())?.fold(&mut state)?;
        Ok(state)
    }

    fn bundle(&self, run: &RunId, changed: Option<&Digest>) -> Result<Vec<u8>, StoreError> {
        let folder = self.folder(run)?;
        let path = changed.map_or_else(|| folder.join(BUNDLE), |digest| changed_bundle(&folder, digest));
        fs::read(&path).map_err(|source| io_error(&path, source))
    }

    fn rebundle(&self, run: &RunId, digest: &Digest, bundle: &[u8]) -> Result<(), StoreError> {
        let path = changed_bundle(&self.folder(run)?, digest);
        let bytes = self.shared.scrubber.scrub_bytes(bundle);
        disk::replace(&*self.shared.disk, &path, &bytes, &path.with_extension("new"))
            .map_err(|source| io_error(&path, source))
    }

    fn runs(&self) -> Result<Vec<(RunId, Result<RunState, StoreError>)>, StoreError> {
        let mut runs: Vec<_> = self
            .names()?
            .into_iter()
            .map(|name| {
                let run = RunId::new(name);
                let state = self.state(&run);
                let started = state.as_ref().ok().and_then(|state| state.started);
                let started = started.or_else(|| self.made(&run)).unwrap_or_default();
                (started, run, state)
            })
            .collect();
        runs.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        Ok(runs.into_iter().map(|(_, run, state)| (run, state)).collect())
    }

    fn find(&self, name: &str) -> Result<RunId, StoreError> {
        let mut names = self.names()?;
        if names.iter().any(|known| known == name) {
            return Ok(RunId::new(name));
        }
        names.retain(|known| !name.is_empty() && known.contains(name));
        names.sort();
        match &names[..] {
            [] => Err(self.no_run(name)),
            [one] => Ok(RunId::new(one.clone())),
            _ => Err(StoreError::Several { name: name.into(), runs: names }),
        }
    }

    fn post(&self, run: &RunId, message: &Message) -> Result<(), StoreError> {
        let folder = self.folder(run)?;
        let failed = |source| io_error(&folder, source);
        let mut message = message.clone();
        if let Some(words) = message.said.words_mut() {
            *words = self.shared.scrubber.scrub(words).into_owned();
        }
        let json = serde_json::to_vec(&message).map_err(|error| failed(error.into()))?;
        inbox::post(&*self.shared.disk, &folder, &message.id, &json).map_err(failed)
    }

    fn is_live(&self, run: &RunId) -> bool {
        self.path(run).is_some_and(|folder| WriterLock::is_taken(&folder))
    }

    fn evidence(&self, run: &RunId, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        reader::evidence(&self.folder(run)?, digest)
    }

    fn incidents(&self) -> PathBuf {
        self.root.join("incidents")
    }
}

impl FileStore {
    /// When a run's folder was made or changed last.
    fn made(&self, run: &RunId) -> Option<jiff::Timestamp> {
        self.path(run)?.metadata().ok()?.modified().ok()?.try_into().ok()
    }
}

/// Where another version of a run's bundle stands.
fn changed_bundle(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join(format!("bundle-{}.json", digest.short()))
}

fn is_as_long(folder: &Path, offset: u64) -> bool {
    folder.join(JOURNAL).metadata().is_ok_and(|metadata| metadata.len() >= offset)
}
