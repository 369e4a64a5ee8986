//! A plugin in thousands of versions, any two bytes of whose answers tell which version gave them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{CHUNKED, Client, Ending, Head, request};

/// Bytes of the tag that an answer begins and ends with: the version's number.
pub const TAG: usize = 5;

/// The text of a version. It emits its tag in `on_open` and `on_end`, and every byte of the body
/// combined with one of two keys in turn, so that no byte can be lost, doubled or moved either.
/// `padding` bytes of data make it large.
pub fn mill(version: u16, padding: usize) -> Vec<u8> {
    let tag = tag(version);
    let [low, high] = keys(version);
    let pages = 2 + padding.div_ceil(64 * 1024);
    let padding = "x".repeat(padding);
    let text = format!(
        r#";; mill, version {version}
(module
  (import "wasmplex" "emit" (func $emit (param i32 i32) (result i32)))
  (memory (export "memory") {pages})
  (data (i32.const 0) "\{low:02x}\{high:02x}")
  (data (i32.const 8) "{tag}")
  (data (i32.const 131072) "{padding}")
  (global $at (mut i32) (i32.const 0))
  (func (export "chunk_buffer") (param $cap i32) (result i32) (i32.const 65536))
  (func (export "on_open") (result i32) (call $emit (i32.const 8) (i32.const {TAG})))
  (func (export "on_end") (result i32) (call $emit (i32.const 8) (i32.const {TAG})))
  (func (export "on_chunk") (param $ptr i32) (param $len i32) (result i32)
    (local $byte i32)
    (local $end i32)
    (local.set $byte (local.get $ptr))
    (local.set $end (i32.add (local.get $ptr) (local.get $len)))
    (loop $next
      (i32.store8 (local.get $byte)
        (i32.xor
          (i32.load8_u (local.get $byte))
          (i32.load8_u (i32.and (global.get $at) (i32.const 1)))))
      (global.set $at (i32.add (global.get $at) (i32.const 1)))
      (local.set $byte (i32.add (local.get $byte) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $byte) (local.get $end))))
    (call $emit (local.get $ptr) (local.get $len))))
"#
    );
    text.into_bytes()
}

/// What a version makes of bytes that begin at this offset of the body.
pub fn milled(version: u16, offset: usize, bytes: &[u8]) -> Vec<u8> {
    let keys = keys(version);
    bytes.iter().enumerate().map(|(index, byte)| byte ^ keys[(offset + index) % 2]).collect()
}

/// The whole answer of a version to a body.
pub fn ground(version: u16, body: &[u8]) -> Vec<u8> {
    [tag(version).as_bytes(), &milled(version, 0, body), tag(version).as_bytes()].concat()
}

/// The version whose tag an answer begins with.
#[track_caller]
pub fn version_of(answer: &[u8]) -> u16 {
    let tag = answer.get(..TAG).and_then(|tag| std::str::from_utf8(tag).ok());
    let version = tag.and_then(|tag| tag.parse().ok());
    version.unwrap_or_else(|| panic!("not a version's: {:?}", &answer[..TAG.min(answer.len())]))
}

fn tag(version: u16) -> String {
    format!("{version:0TAG$}")
}

fn keys(version: u16) -> [u8; 2] {
    let [low, high] = version.to_le_bytes();
    [low ^ 0xa5, high ^ 0x5a]
}

/// A chunked exchange with a mill, under way. It must stay with the version that it began with.
pub struct Milling {
    pub client: Client,
    pub version: u16,
    /// Bytes of the body that were answered.
    pub ground: usize,
}

impl Milling {
    /// Begins one; gives the connection and the answer's head back if that is not a mill's.
    #[track_caller]
    pub fn begin(mut client: Client, target: &str) -> Result<Milling, (Client, Head)> {
        client.send(request("POST", target, &[CHUNKED]));
        let head = client.head();
        if head.status != 200 {
            return Err((client, head));
        }
        let version = version_of(&client.read(TAG));
        Ok(Milling { client, version, ground: 0 })
    }

    /// Reads the answer to bytes that were sent.
    #[track_caller]
    pub fn expect(&mut self, sent: &[u8]) {
        let got = self.client.read(sent.len());
        let expected = milled(self.version, self.ground, sent);
        assert!(got == expected, "wrong bytes of version {} after {}", self.version, self.ground);
        self.ground += sent.len();
    }

    /// Ends it properly, and gives the connection back.
    #[track_caller]
    pub fn end(mut self) -> Client {
        self.client.send_last_chunk();
        let end = tag(self.version).into_bytes();
        assert_eq!(self.client.rest(), (end, Ending::Clean));
        self.client
    }
}

/// Which versions of a mill an exchange may get: those that were in place, or being put there, at
/// some time while it began.
#[derive(Default)]
pub struct Reign {
    written: AtomicU64,
    served: AtomicU64,
    /// Odd while nothing may be served.
    absences: AtomicU64,
}

/// What a [`Reign`] was before an exchange began.
pub struct Before {
    served: u64,
    absences: u64,
}

impl Reign {
    /// From now on this version may answer.
    pub fn comes(&self, version: u16) {
        self.written.store(version.into(), Ordering::SeqCst);
    }

    /// From now on only this version, or a later one, begins exchanges.
    pub fn is_here(&self, version: u16) {
        self.served.store(version.into(), Ordering::SeqCst);
    }

    /// From now on nothing may be served; and the other way round at the next call.
    pub fn toggle_absence(&self) {
        self.absences.fetch_add(1, Ordering::SeqCst);
    }

    pub fn before(&self) -> Before {
        let absences = self.absences.load(Ordering::SeqCst);
        Before { served: self.served.load(Ordering::SeqCst), absences }
    }

    /// Checks the version of an exchange that began after `before`.
    #[track_caller]
    pub fn allows(&self, before: &Before, version: u16) {
        let written = self.written.load(Ordering::SeqCst);
        let may_be = before.served..=written;
        assert!(may_be.contains(&version.into()), "version {version} answers, and not one of {may_be:?}");
    }

    /// Checks that an exchange that began after `before` may have found nothing.
    #[track_caller]
    pub fn allows_absence(&self, before: &Before) {
        let now = self.absences.load(Ordering::SeqCst);
        assert!(before.absences % 2 == 1 || now != before.absences, "a plugin was away that never left");
    }
}
