//! Server-side apply and field ownership: who set which field (`metadata.managedFields`), and what happens when two
//! managers want different values.

mod fields;
mod managed;
mod shape;
mod tree;

pub(crate) use managed::{Manager, Operation, applied, recorded, same_but_times, surrender};
pub(crate) use shape::{Node, Shape};
