//! Commands: WASI programs that read stdin and write stdout, as live filters.
//!
//! What a command is to routes, pipes, limits and metrics is what every plugin is; here is what only
//! it has: a program that runs on its own, until it asks for input that is not there.

mod budgets;
mod ends;
mod leaving;
mod pipes;
mod storm;
mod streams;
mod surroundings;
mod views;
mod waits;
