//! A server after its load: nothing of it may be left.

use std::fs;

use super::{Server, eventually};

/// What a server holds of the system.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Resident memory, in bytes.
    pub memory: usize,
    /// Memory mappings: there is a limit to them (`vm.max_map_count`), and every version and every
    /// instance takes some.
    pub mappings: usize,
    /// Open descriptors.
    pub descriptors: usize,
    pub threads: usize,
}

impl Server {
    pub fn holds(&mut self) -> Held {
        let process = format!("/proc/{}", self.process().id());
        let maps = fs::read_to_string(format!("{process}/maps")).expect("read the server's mappings");
        let descriptors = fs::read_dir(format!("{process}/fd")).expect("read the server's descriptors");
        let threads = fs::read_dir(format!("{process}/task")).expect("read the server's threads");
        Held {
            memory: self.memory_now(),
            mappings: maps.lines().count(),
            descriptors: descriptors.count(),
            threads: threads.count(),
        }
    }

    /// Waits until the last connection is gone, and checks that no gauge remembers any of them.
    #[track_caller]
    pub fn is_idle(&self) {
        // The clients have closed; the server notices each close for itself.
        let metrics = eventually("the last connection to close", || {
            Some(self.metrics()).filter(|metrics| metrics.sum("wasmplex_connections_open", &[]) == 0.0)
        });
        for gauge in [
            "wasmplex_exchanges_open",
            "wasmplex_buffered_bytes",
            "wasmplex_spooled_bytes",
            "wasmplex_instance_memory_bytes",
        ] {
            assert_eq!(metrics.sum(gauge, &[]), 0.0, "{gauge} without a connection");
        }
        let listed = self.admin_json("/exchanges");
        assert_eq!(listed["open"], 0, "{listed}");
        for plugin in self.admin_json("/plugins")["plugins"].as_array().expect("a list of plugins") {
            let older = plugin["older"].as_array().expect("a list of versions");
            assert!(older.is_empty(), "older versions without an exchange: {plugin}");
        }
    }
}
