//! The flags of capsules.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Switch;
use crate::capsule::{CapsuleOptions, Capsules};
use crate::config;

/// What is kept of exchanges that fail
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Capsules")]
pub(super) struct CapsuleArgs {
    /// Folder for capsules: an exchange whose plugin fails leaves a file there that `wasmplex replay`
    /// runs again, with the body as it came; off if not given
    #[arg(long, value_name = "DIR", env = "WASMPLEX_CAPSULES")]
    capsules: Option<PathBuf>,
    /// What is recorded of an exchange (in a pipe, of each stage), at most; the beginning is kept
    #[arg(long, value_name = "SIZE", default_value = "1MiB", env = "WASMPLEX_CAPSULE_SIZE", value_parser = config::size)]
    capsule_size: usize,
    /// What is recorded of all open exchanges together, at most; beyond, new bytes are only counted
    #[arg(long, value_name = "SIZE", default_value = "128MiB", env = "WASMPLEX_CAPSULE_MEMORY", value_parser = config::size)]
    capsule_memory: usize,
    /// Also capsules of exchanges that a plugin rejected: for many plugins that is an answer
    #[arg(long, value_enum, value_name = "on|off", hide_possible_values = true, default_value_t = Switch::Off, env = "WASMPLEX_CAPSULE_REJECTED")]
    capsule_rejected: Switch,
}

impl CapsuleArgs {
    /// Opens the folder, if there is to be one.
    pub(super) fn open(&self) -> anyhow::Result<Option<Arc<Capsules>>> {
        let Some(folder) = self.capsules.clone() else {
            return Ok(None);
        };
        let options = CapsuleOptions {
            folder,
            size: self.capsule_size,
            memory: self.capsule_memory,
            with_rejected: self.capsule_rejected == Switch::On,
        };
        Capsules::open(&options).map(Some)
    }
}
