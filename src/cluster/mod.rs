//! One Kubernetes API: client, identity, discovery, server-side apply, list and watch. kube only here.
//! The same client talks to a real cluster and, through a tower service, to the sandbox.
//! All calls are blocking for the caller: they run on the one-worker runtime of the `Runbook`.
