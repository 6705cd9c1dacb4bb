use std::{fmt, sync::Arc};

use serde_json::{Value, json};

use super::{
    Call, EffectError, Mode, Sort,
    ledger::{Answer, Intent},
};
use crate::{
    event::{Applied, Outcome},
    model::{Place, Read, Touch, Verb},
};

type Body = Arc<dyn Fn(&[Value], &Call) -> Result<Value, String> + Send + Sync>;

/// Natives that a program adds: functions over JSON values, called from scripts as `billing::charge(…)`.
///
/// ```
/// use runbook::effect::Module;
/// use serde_json::json;
///
/// let billing = Module::new("billing")
///     .pure("cents", |args, _| Ok(json!(args[0].as_f64().unwrap_or(0.0) * 100.0)))
///     .read("balance", |_, _| Ok(json!(12)))
///     .change("charge", |args, _| Ok(args[0].clone()))
///     .idempotent();
/// assert_eq!(billing.name(), "billing");
/// ```
#[derive(Clone)]
pub struct Module {
    name: String,
    functions: Vec<Function>,
}

/// One native of a [`Module`].
#[derive(Clone)]
pub struct Function {
    name: String,
    needs: Mode,
    body: Body,
    idempotent: bool,
    rehearse: Option<Body>,
    undo: Option<Body>,
}

impl Module {
    /// A module of this name, empty.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), functions: vec![] }
    }

    /// Adds a function of its arguments alone: it may be called while a plan is declared too.
    #[must_use]
    pub fn pure(
        self,
        name: &str,
        body: impl Fn(&[Value], &Call) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        self.with(name, Mode::Declare, Arc::new(body))
    }

    /// Adds a function that looks at the world.
    #[must_use]
    pub fn read(
        self,
        name: &str,
        body: impl Fn(&[Value], &Call) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        self.with(name, Mode::Read, Arc::new(body))
    }

    /// Adds a function that changes the world. Unless said, it is not idempotent, has no way back and cannot be rehearsed.
    #[must_use]
    pub fn change(
        self,
        name: &str,
        body: impl Fn(&[Value], &Call) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        self.with(name, Mode::Change, Arc::new(body))
    }

    /// Says that the function added last may be sent again with the same arguments.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        if let Some(last) = self.functions.last_mut() {
            last.idempotent = true;
        }
        self
    }

    /// What the function added last answers in a trial, without any effect.
    #[must_use]
    pub fn rehearse(mut self, body: impl Fn(&[Value], &Call) -> Result<Value, String> + Send + Sync + 'static) -> Self {
        if let Some(last) = self.functions.last_mut() {
            last.rehearse = Some(Arc::new(body));
        }
        self
    }

    /// How a change of the function added last is taken back: called with what the change had returned, which is what the
    /// journal holds of it, also by another process. It may be asked again where the function is idempotent.
    ///
    /// ```
    /// use runbook::effect::Module;
    /// use serde_json::json;
    ///
    /// let billing = Module::new("billing")
    ///     .change("charge", |args, _| Ok(json!({ "charge": "ch_1", "cents": args[0] })))
    ///     .undo(|output, _| { assert_eq!(output["charge"], "ch_1"); Ok(()) });
    /// # assert_eq!(billing.name(), "billing");
    /// ```
    #[must_use]
    pub fn undo(mut self, body: impl Fn(&Value, &Call) -> Result<(), String> + Send + Sync + 'static) -> Self {
        if let Some(last) = self.functions.last_mut() {
            last.undo = Some(Arc::new(move |output, call| {
                body(output.first().unwrap_or(&Value::Null), call).map(|()| Value::Null)
            }));
        }
        self
    }

    /// The function with this full name (`billing::charge`), where it says how it is taken back.
    pub(super) fn way_back(&self, native: &str) -> Option<(&Function, &Body)> {
        let name = native.strip_prefix(&self.name)?.strip_prefix("::")?;
        let function = self.functions.iter().find(|function| function.name == name)?;
        function.undo.as_ref().map(|undo| (function, undo))
    }

    /// Its name in scripts.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its functions.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    fn with(mut self, name: &str, needs: Mode, body: Body) -> Self {
        self.functions.push(Function { name: name.into(), needs, body, idempotent: false, rehearse: None, undo: None });
        self
    }
}

impl Function {
    /// Its name in scripts, without the module's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it may be sent again.
    pub(super) fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// What it may be called in.
    pub fn needs(&self) -> Mode {
        self.needs
    }
}

impl Call {
    /// Calls a program's own native; one that changes something is journaled like any other effect.
    pub fn module_call(
        &self,
        module: &str,
        function: &Function,
        arguments: &[Value],
        place: Option<Place>,
    ) -> Result<Value, EffectError> {
        let native = format!("{module}::{}", function.name);
        self.allow(&native, function.needs)?;
        let failed = |message: String| EffectError::new(Sort::Failed, format!("{native}: {message}"));
        match (function.needs, &self.trial) {
            (Mode::Change, Some(trial)) => {
                let mut touch = Touch::new(Verb::Module, native.clone());
                touch.way_back = function.undo.is_some();
                touch.remark = (!touch.way_back).then(|| "a program's own native has no automatic way back".into());
                trial.touch(touch);
                return match &function.rehearse {
                    Some(rehearse) => rehearse(arguments, self).map_err(failed),
                    None => {
                        Err(EffectError::new(Sort::Unseen, format!("what {native} answers is not known in a trial")))
                    }
                };
            }
            (Mode::Read, Some(_)) => {
                return Err(EffectError::new(Sort::Unseen, format!("what {native} answers is not known in a trial")));
            }
            (Mode::Declare, _) => return (function.body)(arguments, self).map_err(failed),
            (Mode::Read, None) => {
                self.read(Read::Polled(native.clone()));
                return (function.body)(arguments, self)
                    .map_err(|message| self.ran_into(EffectError::new(Sort::Hard, format!("{native}: {message}"))));
            }
            (Mode::Change, None) => {}
        }
        let Some(ledger) = &self.ledger else {
            return Err(EffectError::new(Sort::WrongMode, format!("`{native}` is only possible in a step of a run")));
        };
        Self::refuse_stand_in(&native, "an argument", &json!(arguments))?;
        let intent = Intent {
            native: native.clone(),
            targets: vec![native.clone()],
            input: self.digest_of(json!(arguments)),
            idempotent: function.idempotent,
            place,
        };
        ledger.perform(
            intent,
            || Ok(vec![]),
            |_| {
                let (outcome, output, error) = match (function.body)(arguments, self) {
                    Ok(output) => (Outcome::Applied, output, None),
                    Err(message) => (Outcome::Failed, json!(null), Some(failed(message))),
                };
                let message = error.as_ref().map(ToString::to_string);
                let results = vec![Applied { target: native.clone(), outcome, message, after: None }];
                Ok(Answer { results, output, error })
            },
        )
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.functions.iter().map(Function::name).collect();
        f.debug_struct("Module").field("name", &self.name).field("functions", &names).finish()
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").field("name", &self.name).field("needs", &self.needs).finish_non_exhaustive()
    }
}
