//! Plugins whose every answer tells which version gave it.

use super::{CHUNKED, Client, Folder, Server, eventually, request};

/// The text of a plugin that says one letter: once in `on_open`, once for each byte of the body,
/// once in `on_end`. Versions differ in nothing else, not even in their length.
pub fn version_plugin(letter: &str) -> String {
    format!(
        r#";; Says {letter}.
(module
  (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "{letter}")
  (func (export "chunk_buffer") (param $cap i32) (result i32) (i32.const 65536))
  (func (export "on_open") (result i32) (call $emit (i32.const 0) (i32.const 1)))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32)
    (memory.fill (local.get $ptr) (i32.load8_u (i32.const 0)) (local.get $len))
    (call $emit (local.get $ptr) (local.get $len)))
  (func (export "on_end") (result i32) (call $emit (i32.const 0) (i32.const 1))))
"#
    )
}

/// The whole answer of a version to a body of `len` bytes.
pub fn whole(letter: &str, len: usize) -> String {
    letter.repeat(len + 2)
}

impl Folder {
    /// Writes a version of `NAME.wat` in place.
    pub fn put(&self, name: &str, letter: &str) {
        self.write(&format!("{name}.wat"), version_plugin(letter).as_bytes());
    }
}

impl Server {
    /// A server of the plugin "tell" in version A.
    #[track_caller]
    pub fn telling(flags: &[&str]) -> Server {
        let folder = Folder::new();
        folder.put("tell", "A");
        Server::serve(folder, flags)
    }

    /// The version that answers now, or none for 404. The answer must be one version's as a whole.
    #[track_caller]
    pub fn version(&self, plugin: &str) -> Option<String> {
        let answer = self.post(&format!("/{plugin}"), b"hello");
        if answer.head.status == 404 {
            answer.is_error(404);
            return None;
        }
        let letter: String = answer.text().chars().take(1).collect();
        answer.is_clean(200, whole(&letter, 5));
        Some(letter)
    }

    /// Waits until this version answers.
    #[track_caller]
    pub fn serves(&self, plugin: &str, letter: &str) {
        let what = format!("{plugin} to say {letter}");
        eventually(&what, || (self.version(plugin).as_deref() == Some(letter)).then_some(()));
    }

    /// Waits until nobody has this name any more.
    #[track_caller]
    pub fn serves_no(&self, plugin: &str) {
        let what = format!("{plugin} to be gone");
        eventually(&what, || self.version(plugin).is_none().then_some(()));
    }

    /// A chunked exchange that is under way: its head is here.
    #[track_caller]
    pub fn open(&self, target: &str) -> Client {
        let mut client = self.connect();
        client.send(request("POST", target, &[CHUNKED]));
        assert_eq!(client.head().status, 200);
        client
    }
}
