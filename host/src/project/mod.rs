//! A plugin's project folder: which language it is in, what to call to build it, and what a new one
//! has in it.
//!
//! - [`Language`] and [`Kind`]: what there is;
//! - [`Project`]: a folder that was understood (looking is separate from deciding, which is pure);
//! - [`Recipe`]: the command line that builds it, or which tool is [`Missing`] and how to get it;
//! - [`make`]: runs it;
//! - [`Sources`]: what it is built of, to see when that changes;
//! - [`template`]: a new project, from what is embedded in this program;
//! - [`Scratch`]: a private folder that goes away.

mod c_text;
mod clang;
mod detect;
mod embedded;
mod language;
mod make;
mod recipe;
mod recipes;
mod scratch;
mod sdk;
mod sources;
pub mod template;
mod tools;

pub use detect::Project;
pub use language::{Kind, Language};
pub use make::{Leash, Made, install, make};
pub use recipe::Recipe;
pub use scratch::Scratch;
pub use sources::Sources;
pub use tools::Missing;
