//! What makes a `verify` explain itself: objects whose missing fields remember their path (`object`, `missing`), operators
//! that record both sides (`compare`, `quantify`, `expect`), the recorder of one evaluation (`record`), and the
//! three-valued walk over the closure's last expression (`tree`) that puts the records back where they were written
//! (`program`, `explain`). Nothing here reads a cluster; the natives do, and hand their values over as [`Obj`].

mod compare;
mod evaluate;
mod expect;
mod explain;
mod missing;
mod object;
mod polarity;
mod program;
mod quantify;
mod record;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub use evaluate::evaluate;
pub use missing::{Missing, missing_because, missing_object, missing_of, not_yet_error, token, unraised};
pub use object::Obj;
pub use program::{ClosurePlace, Program};
pub use record::{is_recording, record_native};
pub use value::{from_dynamic, holds_secret, list, plain, shown, shown_json, to_dynamic};

use rhai::Engine;

/// Gives an engine the objects, the operators and the natives of this module.
///
/// The engine must also map its tokens through [`token`] (`on_parse_token` has one callback, which belongs to whoever
/// makes the engine) and run without optimisation; whoever calls scripts asks [`unraised`]. Sets `on_missing_function`.
pub fn register(engine: &mut Engine) {
    // Built-in operators would answer before the registered ones, unrecorded.
    engine.set_fast_operators(false);
    missing::register(engine);
    object::register(engine);
    compare::register(engine);
    quantify::register(engine);
    expect::register(engine);
}
