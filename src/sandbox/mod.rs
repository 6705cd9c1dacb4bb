//! The embedded Kubernetes API in memory: a tower service over HTTP requests and JSON values; it knows no kube.
//! Discovery, CRUD, server-side apply, list and watch; controllers that move objects to ready.
//! Its state lasts from one process to the next and survives kill -9.
