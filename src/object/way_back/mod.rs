//! The automatic way back of one object, without I/O: which objects and natives have one, and which fields go back.
//! Kept of each object are its images before and after an effect. A field goes back only where it is still as the effect
//! left it; every other one is left and named. What was made is deleted; what hangs on it is looked for elsewhere.

mod fields;
mod kinds;
mod owned;

pub use fields::{Restore, restore, without};
pub use kinds::{automatic, deletable, native, restorable};
pub use owned::owned;

/// Stands in an image where a secret's value stood.
pub const HELD_SECRET: &str = "«secret»";
