use std::sync::Arc;

use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, GlobalRuntimeState, NativeCallContext, Position};

use super::{
    call::{self, Call},
    library::Library,
    observe::{ClosurePlace, Program},
    value::freeze,
};
use crate::model::Place;

/// A closure of the playbook with all that it needs to run later, on any thread: its captures as they were when it was
/// declared, and the imports, functions and constants that it sees.
#[derive(Clone)]
pub(super) struct Closure {
    pointer: FnPtr,
    global: Arc<GlobalRuntimeState>,
    library: Arc<Library>,
    /// Where it is written; where it was declared, for a function that is passed by name.
    pub(super) place: Place,
}

impl Closure {
    /// Takes a closure where it is declared.
    pub(super) fn take(
        context: &NativeCallContext,
        library: &Arc<Library>,
        mut pointer: FnPtr,
        declared: &Place,
    ) -> Self {
        pointer.iter_curry_mut().for_each(freeze);
        let place = library.closure_place(pointer.fn_name()).unwrap_or_else(|| declared.clone());
        let mut global = context.global_runtime_state().clone();
        // what natives saw while the plan was declared is over; it would also keep the declaration alive
        global.tag = Dynamic::UNIT;
        global.source = Some(place.file.as_str().into());
        Self { pointer, global: Arc::new(global), library: library.clone(), place }
    }

    /// The engine's name of it.
    pub(super) fn name(&self) -> &str {
        self.pointer.fn_name()
    }

    /// Its captured values, in the order of the names that it captures.
    pub(super) fn captures(&self) -> &[Dynamic] {
        self.pointer.curry()
    }

    /// Where it stands, as observations know it.
    pub(super) fn observed(&self, program: &Program) -> ClosurePlace {
        program.closure_in(&self.place.file, &self.pointer).or_else(|| program.closure(&self.pointer)).unwrap_or_else(
            || ClosurePlace {
                file: self.place.file.as_str().into(),
                name: self.pointer.fn_name().into(),
                position: Position::NONE,
                captures: vec![],
            },
        )
    }

    /// Runs it. Who calls holds a guard for cancel and deadline.
    pub(super) fn run(&self, engine: &Engine, call: Call) -> Result<Dynamic, Box<EvalAltResult>> {
        let mut global = (*self.global).clone();
        global.tag = call::tag(call, &self.library);
        let line = u16::try_from(self.place.line).unwrap_or(u16::MAX);
        let column = u16::try_from(self.place.column).unwrap_or(u16::MAX);
        let position = if line == 0 { Position::NONE } else { Position::new(line, column) };
        let context = NativeCallContext::new_with_all_fields(
            engine,
            self.pointer.fn_name(),
            Some(self.place.file.as_str()),
            &global,
            position,
        );
        self.pointer.call_within_context::<Dynamic>(&context, ())
    }
}

/// How many arguments a closure takes beyond its captures, where that can be known.
pub(super) fn arity(context: &NativeCallContext, library: &Library, pointer: &FnPtr) -> Option<Vec<usize>> {
    let bound = pointer.curry().len();
    if let Some(script) = library.closure(pointer.fn_name())
        && let Some(shape) = script.closures.get(pointer.fn_name())
    {
        return Some(vec![shape.parameters.len().saturating_sub(bound)]);
    }
    let mut counts: Vec<usize> = context
        .iter_namespaces()
        .flat_map(|module| {
            module.iter_script_fn_info().map(|(_, _, name, count, _)| (name.to_string(), count)).collect::<Vec<_>>()
        })
        .filter(|(name, _)| name == pointer.fn_name())
        .map(|(_, count)| count.saturating_sub(bound))
        .collect();
    counts.sort_unstable();
    counts.dedup();
    (!counts.is_empty()).then_some(counts)
}
