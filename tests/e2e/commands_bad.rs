//! Commands that do what they should not: each has its end, and nobody else feels it.

mod polls;
mod programs;
mod standard;
