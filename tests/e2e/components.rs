//! Components of `wasmplex:plugin`, from the fixtures in `tests/fixtures/components`.

mod budgets;
mod refused;
mod views;
mod worlds;

use crate::harness::*;

/// A server of these components, with an admin listener.
#[track_caller]
fn serving(names: &[&str], flags: &[&str]) -> Server {
    let folder = Folder::of(&["rot13"]);
    for name in names {
        folder.copy(&component(name));
    }
    Server::serve(folder, &[ADMIN, flags].concat())
}

/// The file of a fixture.
fn component(name: &str) -> std::path::PathBuf {
    fixture(&format!("components/{name}"))
}

/// The log names the plugin and the reason, and the metrics count it once.
#[track_caller]
fn failed(server: &Server, plugin: &str, key: &str, reason: &str) {
    let plugin_is = format!("plugin=\"{plugin}\"");
    server.log().wait(0, &["WARN", "plugin failed", &plugin_is, reason]);
    server.log().wait(0, &["exchange ended", &plugin_is, "failed"]);
    let labels = [("plugin", plugin), ("reason", key)];
    server.metric_eventually("wasmplex_failures_total", &labels, 1.0);
}
