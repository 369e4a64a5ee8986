//! The admin listener, as the one who runs the server sees it.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Answer, Client, DEADLINE, Ending, Metrics, Server, eventually, request};

/// The flags that switch it on.
pub const ADMIN: &[&str] = &["--admin", "127.0.0.1:0"];

impl Server {
    /// A GET on a connection of its own.
    #[track_caller]
    pub fn admin(&self, path: &str) -> Answer {
        Client::connect(self.admin_address()).exchange(request("GET", path, &[]))
    }

    #[track_caller]
    pub fn admin_json(&self, path: &str) -> Value {
        let answer = self.admin(path);
        assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean), "{}", answer.text());
        let kind = answer.head.field("content-type").unwrap_or_default();
        assert!(kind.starts_with("application/json"), "{kind}");
        serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
    }

    /// The number of the generation that is served.
    #[track_caller]
    pub fn generation(&self) -> u64 {
        self.admin_json("/plugins")["generation"].as_u64().expect("a number")
    }

    /// What `/plugins` says of a plugin; null if it is not there.
    #[track_caller]
    pub fn plugin(&self, name: &str) -> Value {
        let listed = self.admin_json("/plugins");
        let plugins = listed["plugins"].as_array().expect("a list of plugins");
        plugins.iter().find(|plugin| plugin["name"] == name).cloned().unwrap_or(Value::Null)
    }

    /// Waits until a plugin's state is this one, and returns all that is said of it.
    #[track_caller]
    pub fn plugin_becomes(&self, name: &str, state: &str) -> Value {
        eventually(&format!("{name} to be {state}"), || {
            Some(self.plugin(name)).filter(|plugin| plugin["state"] == state)
        })
    }

    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        let answer = self.admin("/metrics");
        assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean), "{}", answer.text());
        Metrics::parse(&answer.text())
    }

    /// The sum of all series of this name that have these labels; 0 if there is none.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics().sum(name, labels)
    }

    /// Waits until the sum is this one.
    #[track_caller]
    pub fn metric_eventually(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let begun = Instant::now();
        loop {
            let now = self.metric(name, labels);
            if now == value {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{name} {labels:?} is {now}, not {value}");
            thread::sleep(Duration::from_millis(2));
        }
    }
}
