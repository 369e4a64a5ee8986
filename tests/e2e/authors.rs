//! The author's tools: `new`, `build`, `test` and `dev`, by the real command.
//!
//! WebAssembly text needs no tool and is always tried. Other languages are where their compiler is
//! found, and skipped elsewhere with a line; `WASMPLEX_REQUIRE_TOOLCHAINS=1` makes a missing one a
//! failure.

mod building;
mod golden;
mod live;
mod projects;
mod tool;
