//! A plugin's tests: golden cases, and the rule that output must not depend on where the body is cut.
//!
//! - [`Case`]: a request and what must come of it, from the files of a folder;
//! - [`Way`]: a way to cut a body into chunks (pure);
//! - [`Runner`]: one exchange in this process, by the same code and budgets as in the server;
//! - [`judge`]: a case in all its ways, and what is wrong, if anything is;
//! - [`Difference`]: where two outputs part (pure).

mod case;
mod cuts;
mod difference;
mod judge;
mod runner;
mod staged;

pub use case::{Case, load};
pub use cuts::{Way, ways};
pub use difference::Difference;
pub use judge::{Fault, Judged, judge};
pub use runner::{Ending, Observed, Runner};
