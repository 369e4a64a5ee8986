//! The flags of the spool.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::config;
use crate::exchange::{SpoolOptions, Spools};

/// Where bodies are kept that clients send before they read
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Spool")]
pub(super) struct SpoolArgs {
    /// What is kept of an exchange whose client goes on sending and does not read, at most: many HTTP
    /// libraries send all before they read. Memory first, then a temporary file; 0 is off
    #[arg(long, value_name = "SIZE", default_value = "1GiB", env = "WASMPLEX_SPOOL", value_parser = config::size)]
    spool: usize,
    /// The same of all exchanges together; 0 is off
    #[arg(long, value_name = "SIZE", default_value = "4GiB", env = "WASMPLEX_MAX_SPOOL", value_parser = config::size)]
    max_spool: usize,
    /// Folder for these temporary files, which have no name there and go away by themselves
    /// [default: the system's, TMPDIR or /tmp]
    #[arg(long, value_name = "DIR", env = "WASMPLEX_SPOOL_DIR")]
    spool_dir: Option<PathBuf>,
}

impl SpoolArgs {
    /// The spools, if there are to be any. A client may take nothing for `write_timeout`.
    pub(super) fn open(&self, write_timeout: Duration) -> anyhow::Result<Option<Arc<Spools>>> {
        let folder = self.spool_dir.clone().unwrap_or_else(std::env::temp_dir).into();
        let (exchange, host) = (self.spool as u64, self.max_spool as u64);
        Spools::open(SpoolOptions { exchange, host, folder, write_timeout })
    }
}
