//! WASI commands as rows of steps, written out as WebAssembly text.

use std::fmt::Write as _;

use super::{ADMIN, Folder, Server};

/// A program that does its steps in order and returns from `_start`.
///
/// Its memory: 0 what the helpers need, 1 KiB the texts, 64 KiB the buffer that `$read` fills, 128 KiB
/// a page that is free for whatever a step does.
#[derive(Clone, Default)]
pub struct Program {
    steps: String,
    /// Further imports.
    imports: String,
    /// What else stands in the module: texts, globals, functions.
    fields: String,
    /// Where the next text goes, counted from `TEXTS`.
    top: usize,
    /// Labels of loops so far.
    loops: usize,
}

const TEXTS: usize = 1024;

impl Program {
    pub fn new() -> Program {
        Program::default()
    }

    /// Any instructions; the local `$n` is theirs, and so is the page at 128 KiB.
    pub fn wat(mut self, instructions: &str) -> Program {
        self.steps.push_str(instructions);
        self.steps.push('\n');
        self
    }

    /// A further import of functions.
    pub fn import(mut self, import: &str) -> Program {
        self.imports.push_str(import);
        self.imports.push('\n');
        self
    }

    /// A global, a function, or whatever else stands in a module.
    pub fn field(mut self, field: &str) -> Program {
        self.fields.push_str(field);
        self.fields.push('\n');
        self
    }

    /// Texts in its memory from 1 KiB on, before all others.
    pub fn text_first(mut self, text: &str) -> Program {
        assert_eq!(self.top, 0, "there is a text already");
        self.place(text.as_bytes());
        self
    }

    /// Writes a text to stdout.
    pub fn say(self, text: impl AsRef<[u8]>) -> Program {
        self.write(1, text.as_ref())
    }

    /// Writes a text to stderr.
    pub fn complain(self, text: impl AsRef<[u8]>) -> Program {
        self.write(2, text.as_ref())
    }

    /// Writes the value of an expression to stdout, in decimal, and a newline.
    pub fn tell(self, expression: &str) -> Program {
        self.wat(&format!("(call $tell {expression})"))
    }

    /// One read of at most so many bytes, and drops what it gave.
    pub fn take(self, most: usize) -> Program {
        self.wat(&format!("(drop (call $read (i32.const {most})))"))
    }

    /// One read of at most so many bytes, and writes what it gave.
    pub fn answer(self, most: usize) -> Program {
        self.wat(&format!("(drop (call $answer (i32.const {most})))"))
    }

    /// Copies stdin to stdout to its end.
    pub fn echo(self) -> Program {
        self.echo_by(65536)
    }

    /// The same with reads of at most so many bytes.
    pub fn echo_by(self, most: usize) -> Program {
        self.wat(&format!("(loop $more (br_if $more (call $answer (i32.const {most}))))"))
    }

    /// Reads stdin to its end, and drops it.
    pub fn drain(self) -> Program {
        self.wat("(loop $more (br_if $more (call $read (i32.const 65536))))")
    }

    pub fn sleep(self, milliseconds: u64) -> Program {
        self.wat(&format!("(call $sleep (i64.const {milliseconds}))"))
    }

    /// Computes until so many milliseconds have passed on the wall.
    pub fn compute(self, milliseconds: u64) -> Program {
        self.wat(&format!("(call $compute (i64.const {milliseconds}))"))
    }

    pub fn spin(self) -> Program {
        self.wat("(loop $for_ever (br $for_ever))")
    }

    pub fn trap(self) -> Program {
        self.wat("unreachable")
    }

    pub fn exit(self, code: i32) -> Program {
        self.wat(&format!("(call $proc_exit (i32.const {code}))"))
    }

    /// Does some steps again and again.
    pub fn for_ever(self, steps: impl FnOnce(Program) -> Program) -> Program {
        self.repeat(0, steps)
    }

    /// Does some steps so many times; 0 is for ever. Such loops do not nest.
    pub fn repeat(mut self, times: u32, steps: impl FnOnce(Program) -> Program) -> Program {
        self.loops += 1;
        let label = format!("$again{}", self.loops);
        let opened = self.wat(&format!("(local.set $left (i32.const {times}))\n(loop {label}"));
        let end = format!(
            "(local.set $left (i32.sub (local.get $left) (i32.const 1)))\n\
             (br_if {label} (local.get $left)))"
        );
        steps(opened).wat(&end)
    }

    /// The program as WebAssembly text.
    pub fn text(&self) -> String {
        let Program { steps, imports, fields, .. } = self;
        format!(
            "(module\n{IMPORTS}\n{imports}\n(memory (export \"memory\") 3)\n{fields}\n{HELPERS}\n\
             (func $_start (export \"_start\") (local $n i32) (local $left i32)\n{steps}))\n"
        )
    }

    /// A server with this program as its plugin "command", with an admin listener.
    #[track_caller]
    pub fn serve(&self, flags: &[&str]) -> Server {
        let folder = Folder::new();
        folder.program("command", self);
        Server::serve(folder, &[ADMIN, flags].concat())
    }

    /// The same with a manifest.
    #[track_caller]
    pub fn serve_with(&self, manifest: &str) -> Server {
        let folder = Folder::new();
        folder.program("command", self);
        folder.write("command.json", manifest.as_bytes());
        Server::serve(folder, ADMIN)
    }

    fn write(mut self, descriptor: u8, text: &[u8]) -> Program {
        let place = self.place(text);
        let len = text.len();
        self.wat(&format!("(call $write (i32.const {descriptor}) (i32.const {place}) (i32.const {len}))"))
    }

    /// Puts a text into the memory that the program begins with.
    fn place(&mut self, text: &[u8]) -> usize {
        let place = TEXTS + self.top;
        self.top += text.len();
        assert!(place + text.len() <= 65536, "the texts of a program have 63 KiB");
        let escaped = text.iter().fold(String::new(), |mut escaped, byte| {
            let _ = write!(escaped, "\\{byte:02x}");
            escaped
        });
        let _ = writeln!(self.fields, "(data (i32.const {place}) \"{escaped}\")");
        place
    }
}

impl Folder {
    /// Writes a program as `NAME.wat`.
    pub fn program(&self, name: &str, program: &Program) {
        self.write(&format!("{name}.wat"), program.text().as_bytes());
    }
}

const IMPORTS: &str = include_str!("program/imports.wat");
const HELPERS: &str = include_str!("program/helpers.wat");
