use std::{fmt, path::Path, sync::Arc};

use super::{Error, ErrorKind, builder::Inner, connect::Way};
use crate::{
    bundle::{Bundle, Config},
    cluster::{Followed, Patience},
    event::Cancel,
    model::ObjectRef,
    object::edges::Direction,
    run::{self, Connect as _, Connected},
};

/// One context of a `runbook.toml`, without a playbook: for looking, never for changing.
pub struct Context {
    way: Way,
}

impl Context {
    pub(super) fn find(inner: &Arc<Inner>, name: &str, folder: &Path) -> Result<Self, Error> {
        let config = Config::find(folder, inner.config.as_deref())
            .map_err(|error| Error::new(ErrorKind::Usage, "the configuration is refused").findings_are(error.0))?;
        let bundle = Arc::new(Bundle::in_memory("", ""));
        let config = config.map(Arc::new);
        let way = Way::new(inner, bundle, config, name);
        way.context()?;
        Ok(Self { way })
    }

    /// The connection, once it is known to be the cluster that the context is pinned to.
    fn connect(&self, cancel: &Cancel) -> Result<Connected, Error> {
        let connected = self.way.connect().map_err(Error::of)?;
        run::who(&connected, cancel).map_err(|ended| Error::of(*ended))?;
        Ok(connected)
    }

    /// Follows the edges between the cluster's objects. Kinds are listed whole, or where they can name what is asked about;
    /// Secrets without their values.
    ///
    /// # Errors
    /// The context cannot be reached, is another cluster than the pinned one, or has no kind or object of a name; then
    /// with the nearest names there are.
    pub fn impact(&self, of: &[ObjectRef], direction: Direction, cancel: &Cancel) -> Result<Followed, Error> {
        let connected = self.connect(cancel)?;
        let cluster = connected.door.cluster().map_err(|error| unreached(&error.message, error.help.clone()))?;
        let patience = Patience { deadline: None, cancel: cancel.clone() };
        let reach =
            cluster.impact(of, direction, &patience).map_err(|error| unreached(&error.to_string(), error.help()))?;
        if let Some((unknown, near)) = reach.unknown.first() {
            let message = format!("context {}: there is no {unknown}, and nothing names it", self.way.context);
            let error = Error::new(ErrorKind::Usage, message);
            return Err(near.iter().fold(error, |error, near| error.hint(format!("did you mean {near}?"))));
        }
        Ok(reach)
    }
}

pub(super) fn unreached(message: &str, help: Vec<String>) -> Error {
    let error = Error::new(ErrorKind::Context, message).exits(crate::model::ExitCode::PreflightFailed);
    help.into_iter().fold(error, Error::hint)
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("name", &self.way.context).finish_non_exhaustive()
    }
}
