use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use super::super::{global::Global, say, signals};
use crate::{
    model::{ExitCode, Fault, text::shell_word},
    runbook::{ContextSandbox, Error},
};

/// Serves the sandbox of a context to kubectl, loads objects into it, clears it.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLE)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

const EXAMPLE: &str = "\
A context of runbook.toml with `sandbox = true` is an embedded Kubernetes API. Its state lasts
from one command to the next; no real cluster is ever touched.

  runbook sandbox serve --context staging   in one terminal; it prints what to type in another:
  export KUBECONFIG=…
  kubectl get namespaces";

#[derive(Subcommand, Debug)]
enum What {
    Serve(Serve),
    Load(Load),
    Reset(Reset),
}

/// Serves the sandbox on loopback until Ctrl-C, and prints how kubectl reaches it. Runs on the context use it meanwhile.
#[derive(clap::Args, Debug)]
struct Serve {
    #[command(flatten)]
    of: Of,
    /// An object that is told not to become ready: 'Kind/namespace/name: what went wrong', '…: stall', '…: flap 5s'.
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<Fault>,
}

/// Lays the objects of files into the sandbox; a live cluster's `kubectl get -o yaml` loads. Whatever has the same kind
/// and name gives way; values of Secrets become stand-ins.
#[derive(clap::Args, Debug)]
struct Load {
    #[command(flatten)]
    of: Of,
    /// YAML or JSON files; lists are unpacked.
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
}

/// Clears the sandbox: it begins anew, as another cluster.
#[derive(clap::Args, Debug)]
struct Reset {
    #[command(flatten)]
    of: Of,
}

/// Which sandbox.
#[derive(clap::Args, Debug)]
struct Of {
    /// The context, as the runbook.toml found upwards from here (or named by --config) declares it.
    #[arg(long, value_name = "NAME")]
    context: String,
}

impl Of {
    fn sandbox(&self, global: &Global) -> Result<ContextSandbox, Error> {
        global.runbook()?.sandbox(&self.context, ".")
    }
}

impl Args {
    pub fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        match &self.what {
            What::Serve(args) => args.run(global),
            What::Load(args) => args.run(global),
            What::Reset(args) => args.run(global),
        }
    }
}

impl Serve {
    fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let sandbox = self.faults.iter().cloned().fold(self.of.sandbox(global)?, ContextSandbox::fault);
        // before it is served, so that no signal ends it with its kubeconfig left behind
        let ended = signals::until_ended();
        let served = sandbox.serve()?;
        let name = sandbox.context();
        let file = served.kubeconfig().display().to_string();
        if global.json() {
            say::json(&json!({"context": name, "kubeconfig": file, "address": served.address()}));
        } else {
            say::result(&format!("export KUBECONFIG={}\n", shell_word(&file)));
        }
        say::tell(&format!("sandbox {name}: served on {} until Ctrl-C; no real cluster is touched", served.address()));
        for fault in &self.faults {
            say::tell(&format!("  told: {fault}"));
        }
        say::tell("  type the line above in another terminal, then: kubectl get namespaces");
        ended();
        drop(served);
        say::tell(&format!("sandbox {name}: no longer served; its state is kept"));
        Ok(ExitCode::Done)
    }
}

impl Load {
    fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let sandbox = self.of.sandbox(global)?;
        let loaded = sandbox.load(&self.files)?;
        if global.json() {
            say::json(&loaded);
        } else {
            let name = sandbox.context();
            let all = loaded.made + loaded.replaced;
            let places =
                if loaded.replaced > 0 { format!(" ({} in place of others)", loaded.replaced) } else { String::new() };
            say::result(&format!("sandbox {name}: {all} object{} loaded{places}\n", if all == 1 { "" } else { "s" }));
            if !loaded.namespaces.is_empty() {
                say::tell(&format!("  made for them: Namespace {}", loaded.namespaces.join(", ")));
            }
            for left in &loaded.left_out {
                say::tell(&format!("  left out: {}: {}", left.object, left.why));
            }
        }
        if loaded.made + loaded.replaced == 0 {
            // said above, each with its reason
            return Ok(ExitCode::Usage);
        }
        Ok(ExitCode::Done)
    }
}

impl Reset {
    fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        let sandbox = self.of.sandbox(global)?;
        let removed = sandbox.reset()?;
        let name = sandbox.context();
        if global.json() {
            say::json(&json!({"context": name, "removed": removed}));
            return Ok(ExitCode::Done);
        }
        say::result(&match removed {
            Some(0) => format!("sandbox {name}: there was nothing to clear\n"),
            Some(count) => format!("sandbox {name}: {count} objects removed; it begins anew, as another cluster\n"),
            None => format!("sandbox {name}: its state could not be read and was removed; it begins anew\n"),
        });
        Ok(ExitCode::Done)
    }
}
