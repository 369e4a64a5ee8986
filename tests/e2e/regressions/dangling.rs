//! A manifest that is a link to nowhere.

use crate::harness::*;

/// A link that leads nowhere has no stamp, like a file that is not there: its removal was no change, and
/// the plugin stayed stale until SIGHUP.
#[test]
fn a_dangling_link_that_is_removed_is_no_manifest_any_more() {
    let folder = Folder::of(&["config"]);
    folder.write("config.json", br#"{"config": {"greeting": "hello"}}"#);
    let server = Server::serve(folder, ADMIN);
    server.folder().symlink("/nowhere/at/all", "config.json");
    server.plugin_becomes("config", "stale");
    server.folder().remove("config.json");
    server.plugin_becomes("config", "serving");
    server.get("/config").is_clean(200, "absent");
}
