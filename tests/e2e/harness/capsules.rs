//! A folder of capsules, a plugin that fails, and `wasmplex replay`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::process::Finished;
use super::{Client, Folder, Server, eventually, ran, request, wasmplex};

/// An echo that traps when a chunk begins with an X: so it is the borders that decide. `fixed` is the
/// same without the trap, and shouts: an X at the front of a chunk comes back as a Y.
pub fn fussy(is_fixed: bool) -> String {
    let rule = if is_fixed { "(i32.store8 (local.get $ptr) (i32.const 89))" } else { "unreachable" };
    format!(
        r#"(module
  (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "chunk_buffer") (param i32) (result i32) (i32.const 65536))
  (func $look (param $ptr i32)
    (if (i32.eq (i32.load8_u (local.get $ptr)) (i32.const 88)) (then {rule})))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32)
    (call $look (local.get $ptr))
    (call $emit (local.get $ptr) (local.get $len))))"#
    )
}

/// Where a server of a test puts its capsules.
pub struct Capsules {
    folder: Folder,
    path: String,
}

impl Capsules {
    pub fn new() -> Capsules {
        let folder = Folder::new();
        let path = folder.path().join("capsules").to_str().expect("a path in UTF-8").to_owned();
        Capsules { folder, path }
    }

    pub fn path(&self) -> &Path {
        Path::new(&self.path)
    }

    /// A file beside the capsules, for a plugin that is to be tried.
    pub fn write(&self, name: &str, contents: &str) -> PathBuf {
        self.folder.write(name, contents.as_bytes())
    }

    /// Serves a folder with capsules, and these flags.
    #[track_caller]
    pub fn serve(&self, plugins: Folder, flags: &[&str]) -> Server {
        Server::serve(plugins, &[&["--capsules", self.path.as_str()], flags].concat())
    }

    /// Serves the plugin "fussy".
    #[track_caller]
    pub fn serve_fussy(&self, flags: &[&str]) -> Server {
        let plugins = Folder::new();
        plugins.write("fussy.wat", fussy(false).as_bytes());
        self.serve(plugins, flags)
    }

    /// The capsules that are there, by name.
    pub fn files(&self) -> Vec<PathBuf> {
        let entries =
            fs::read_dir(self.path()).into_iter().flatten().map(|entry| entry.expect("an entry").path());
        let is_capsule = |path: &PathBuf| path.to_string_lossy().ends_with(".capsule.json");
        let mut files: Vec<PathBuf> = entries.filter(is_capsule).collect();
        files.sort();
        files
    }

    /// Waits for the first capsule, and reads it.
    #[track_caller]
    pub fn first(&self) -> (PathBuf, Value) {
        let file = eventually("a capsule", || self.files().first().cloned());
        let text = fs::read_to_string(&file).expect("read the capsule");
        let capsule = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        (file, capsule)
    }
}

impl Server {
    /// Has an exchange at this target fail, after these chunks of the body. Each of them is echoed
    /// before the next is sent, so that borders stay as they are.
    #[track_caller]
    pub fn fails_after(&self, target: &str, fields: &[&str], echoed: &[&[u8]], last: &[u8]) -> Client {
        let mut client = self.connect();
        client.send(request("POST", target, &[&[super::CHUNKED], fields].concat()));
        assert_eq!(client.head().status, 200);
        for chunk in echoed {
            client.send_chunk(chunk);
            assert_eq!(client.read(chunk.len()), *chunk);
        }
        client.send_chunk(last);
        let (rest, ending) = client.rest();
        assert_eq!(rest, b"");
        assert_ne!(ending, super::Ending::Clean);
        client
    }
}

/// Replays a capsule, and says with which exit code and words.
#[track_caller]
pub fn replay(file: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let Finished { code, stdout, stderr } = ran(wasmplex(&["replay"]).arg(file).args(arguments));
    let said = String::from_utf8_lossy(&stdout).into_owned() + &stderr;
    println!("{said}");
    (code, said)
}
