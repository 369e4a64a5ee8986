//! Scripts for the fixture `respond`.

/// A row of hostcalls that `respond` makes in its `on_end`.
#[derive(Default)]
pub struct Reply {
    script: Vec<u8>,
}

impl Reply {
    pub fn new() -> Reply {
        Reply::default()
    }

    pub fn status(self, code: i32) -> Reply {
        self.operation(b'S', &code.to_le_bytes(), b"")
    }

    pub fn field(self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Reply {
        self.operation(b'F', name.as_ref(), value.as_ref())
    }

    pub fn emit(self, bytes: impl AsRef<[u8]>) -> Reply {
        self.operation(b'E', bytes.as_ref(), b"")
    }

    /// Emits a '+' or '-' for each of the above.
    pub fn results(self) -> Reply {
        self.operation(b'R', b"", b"")
    }

    pub fn reject(self) -> Reply {
        self.operation(b'N', b"", b"")
    }

    pub fn script(self) -> Vec<u8> {
        self.script
    }

    fn operation(mut self, letter: u8, a: &[u8], b: &[u8]) -> Reply {
        self.script.push(letter);
        for bytes in [a, b] {
            let len = u16::try_from(bytes.len()).expect("a short operand");
            self.script.extend_from_slice(&len.to_le_bytes());
            self.script.extend_from_slice(bytes);
        }
        self
    }
}
