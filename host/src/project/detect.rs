//! Which language a project is in, and what will come out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::c_text::{defines_main, system_header, without_comments};
use super::language::{Kind, Language};
use super::sdk;
use crate::registry::is_name;

/// How much of a source file is looked at, in bytes.
const MAX_LOOK: u64 = 1 << 20;

/// Endings of files whose text has a say.
const TEXTS: [&str; 15] =
    ["rs", "toml", "go", "mod", "json", "ts", "zig", "cpp", "cc", "c", "h", "hpp", "js", "mjs", "py"];

/// A folder with a plugin's sources.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Project {
    /// The folder, absolute.
    pub dir: PathBuf,
    /// The plugin's name: the folder's.
    pub name: String,
    pub language: Language,
    pub kind: Kind,
    /// What the compiler is given, relative to `dir`, in order; empty where it finds out by itself.
    pub sources: Vec<String>,
    /// A C module that includes no header of a C library.
    pub is_freestanding: bool,
    /// A component of world `plugin`, not of the small world `filter`.
    pub is_full: bool,
}

/// What lies in a folder, as far as it has a say.
#[derive(Debug, Default)]
struct Folder {
    /// Files directly in it, with their text if they are sources.
    files: BTreeMap<String, String>,
    folders: BTreeSet<String>,
    has_main_rs: bool,
    /// There is a WIT folder, in it or in the repository around it.
    has_wit: bool,
}

impl Project {
    /// Looks at a folder.
    ///
    /// # Errors
    ///
    /// When it cannot be read, its name cannot be a plugin's, or there is nothing in it that can be built.
    pub fn find(dir: &Path) -> anyhow::Result<Self> {
        let shown = dir.display();
        let dir = dir.canonicalize().with_context(|| format!("{shown} cannot be read"))?;
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !is_name(&name) {
            bail!(
                "{}: the folder's name is the plugin's, which begins with a letter or digit and has only letters, \
                 digits, '.', '_' and '-' (at most 64)",
                dir.display()
            );
        }
        let folder = Folder::read(&dir).with_context(|| format!("{shown} cannot be read"))?;
        let Some(found) = folder.understand(&name) else {
            bail!(
                "{shown}: nothing here that can be built. Looked for Cargo.toml, go.mod, package.json with *.ts, \
                 *.zig, *.cpp, *.c, wit/ with *.js or *.py, and *.wat (wasmplex new makes a project)"
            );
        };
        let (language, kind, sources) = found.map_err(|reason| anyhow::anyhow!("{shown}: {reason}"))?;
        let is_freestanding = language == Language::C && kind == Kind::Module && !folder.includes_libc();
        let is_full = folder.is_full_world(language);
        Ok(Self { dir, name, language, kind, sources, is_freestanding, is_full })
    }

    /// Where the plugin goes if nobody says otherwise: `NAME.wasm` in the folder.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.dir.join(format!("{}.wasm", self.name))
    }

    /// Where the manifest is, if there is one: `NAME.json` in the folder.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.dir.join(format!("{}.json", self.name))
    }

    /// Where its golden cases are.
    #[must_use]
    pub fn cases(&self) -> PathBuf {
        self.dir.join("tests")
    }
}

type Understood = Result<(Language, Kind, Vec<String>), String>;

impl Folder {
    fn read(dir: &Path) -> std::io::Result<Self> {
        let mut folder = Self {
            has_main_rs: dir.join("src/main.rs").is_file(),
            has_wit: sdk::wit(dir).is_some(),
            ..Self::default()
        };
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                folder.folders.insert(name);
            } else if path.is_file() {
                let is_text = TEXTS.iter().any(|ending| has_ending(&name, &[ending]));
                let text = if is_text { look(&path)? } else { String::new() };
                folder.files.insert(name, text);
            }
        }
        Ok(folder)
    }

    /// The first language whose marker is there.
    fn understand(&self, name: &str) -> Option<Understood> {
        use Language::{AssemblyScript, C, Cpp, Go, JavaScript, Python, Rust, Wat, Zig};
        let command_if = |is_command| if is_command { Kind::Command } else { Kind::Module };
        if let Some(manifest) = self.files.get("Cargo.toml") {
            let is_command = self.has_main_rs || manifest.contains("[[bin]]");
            return Some(Ok((Rust, command_if(is_command), vec![])));
        }
        if self.files.contains_key("go.mod") {
            return Some(Ok((Go, command_if(!self.exports_go()), vec![])));
        }
        if let Some(package) = self.files.get("package.json") {
            let root = if self.folders.contains("assembly") && !self.files.contains_key("index.ts") {
                Some(Ok("assembly/index.ts".to_owned()))
            } else {
                self.root(name, &["ts"], &["wasmplex.ts"], "index.ts")
            };
            if let Some(root) = root {
                let kind = command_if(package.contains("wasi-shim"));
                return Some(root.map(|root| (AssemblyScript, kind, vec![root])));
            }
        }
        if let Some(root) = self.root(name, &["zig"], &["wasmplex.zig", "build.zig"], "main.zig") {
            return Some(root.map(|root| {
                let is_command = self.text(&root).lines().any(|line| line.trim().starts_with("pub fn main"));
                (Zig, command_if(is_command), vec![root])
            }));
        }
        for (language, endings) in [(Cpp, &["cpp", "cc"][..]), (C, &["c"])] {
            let sources = self.with_ending(endings);
            if !sources.is_empty() {
                let is_command =
                    sources.iter().any(|source| defines_main(&without_comments(self.text(source))));
                return Some(Ok((language, command_if(is_command), sources)));
            }
        }
        if self.has_wit {
            if let Some(root) = self.root(name, &["js", "mjs"], &[], "plugin.js") {
                return Some(
                    self.has_exports().and(root).map(|root| (JavaScript, Kind::Component, vec![root])),
                );
            }
            if let Some(root) = self.root(name, &["py"], &[], "plugin.py") {
                return Some(root.map(|root| (Python, Kind::Component, vec![root])));
            }
        }
        let root = self.root(name, &["wat"], &[], "main.wat")?;
        Some(root.map(|root| (Wat, Kind::Module, vec![root])))
    }

    fn text(&self, name: &str) -> &str {
        self.files.get(name).map_or("", String::as_str)
    }

    fn with_ending(&self, endings: &[&str]) -> Vec<String> {
        self.files.keys().filter(|name| has_ending(name, endings)).cloned().collect()
    }

    /// The one file that names the others: the project's namesake, the usual one, or the only one.
    fn root(
        &self,
        name: &str,
        endings: &[&str],
        others: &[&str],
        usual: &str,
    ) -> Option<Result<String, String>> {
        let files = self.with_ending(endings);
        let candidates: Vec<&String> = files.iter().filter(|file| !others.contains(&file.as_str())).collect();
        let namesake = |file: &&&String| file.rsplit_once('.').is_some_and(|(stem, _)| stem == name);
        let found = candidates
            .iter()
            .find(namesake)
            .or_else(|| candidates.iter().find(|file| file.as_str() == usual))
            .or_else(|| candidates.first().filter(|_| candidates.len() == 1));
        match (found, candidates.first()) {
            (Some(file), _) => Some(Ok((*file).clone())),
            (None, Some(_)) => {
                Some(Err(format!("several *.{0}: the main one should be {name}.{0} or {usual}", endings[0])))
            }
            (None, None) => None,
        }
    }

    /// Whether a Go program is a module by its exports, or a plain program.
    fn exports_go(&self) -> bool {
        // The SDK has a package that makes a module of what imports it.
        let uses_sdk =
            |text: &str| text.contains("\"wasmplex/export\"") || text.contains("wasmplex.Register(");
        let sources = self.with_ending(&["go"]);
        sources.iter().filter(|file| !file.ends_with("_test.go")).any(|file| {
            let text = self.text(file);
            text.lines().any(|line| line.starts_with("//go:wasmexport ")) || uses_sdk(text)
        })
    }

    /// Whether a component is of the full world: it says so by what it defines or imports, which the
    /// tools cannot tell.
    fn is_full_world(&self, language: Language) -> bool {
        let (endings, marks) = match language {
            Language::JavaScript => {
                (&["js", "mjs"][..], &["onOpen", "onEnd", "onTimer", "wasmplex:plugin/host"][..])
            }
            Language::Python => {
                (&["py"][..], &["on_open", "on_end", "on_timer", "imports.host", "import host"][..])
            }
            _ => return false,
        };
        let sources = self.with_ending(endings);
        sources.iter().any(|file| marks.iter().any(|mark| self.text(file).contains(mark)))
    }

    /// What JavaScript's tool does not notice: an export that is not there traps when it is called.
    fn has_exports(&self) -> Result<(), String> {
        let is_full = self.is_full_world(Language::JavaScript);
        let needed = if is_full { &["onOpen", "onChunk", "onEnd", "onTimer"][..] } else { &["onChunk"] };
        let sources = self.with_ending(&["js", "mjs"]);
        let is_missing = |name: &&&str| !sources.iter().any(|file| self.text(file).contains(**name));
        let missing: Vec<&str> = needed.iter().filter(is_missing).copied().collect();
        let world = if is_full { "plugin" } else { "filter" };
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("a component of world {world} must export {} too", missing.join(", ")))
        }
    }

    /// Whether a C source or header here asks for a C library.
    fn includes_libc(&self) -> bool {
        let sources = self.with_ending(&["c", "h"]);
        sources.iter().filter(|file| *file != "wasmplex.h").any(|file| {
            let text = without_comments(self.text(file));
            text.lines().filter_map(system_header).any(|header| !FREESTANDING.contains(&header))
        })
    }
}

/// Headers that the compiler brings along (C17 section 4, and clang's own).
const FREESTANDING: [&str; 11] = [
    "float.h",
    "iso646.h",
    "limits.h",
    "stdalign.h",
    "stdarg.h",
    "stdbool.h",
    "stddef.h",
    "stdint.h",
    "stdnoreturn.h",
    "wasm_simd128.h",
    "wasmplex.h",
];

fn has_ending(name: &str, endings: &[&str]) -> bool {
    // A dot file is nobody's source.
    name.rsplit_once('.').is_some_and(|(stem, ending)| !stem.is_empty() && endings.contains(&ending))
}

fn look(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_LOOK).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and texts.
    type Files<'a> = &'a [(&'a str, &'a str)];

    fn folder(files: Files<'_>) -> Folder {
        let mut folder = Folder::default();
        for (name, text) in files {
            match name.strip_suffix('/') {
                Some(name) => _ = folder.folders.insert(name.to_owned()),
                None if *name == "src/main.rs" => folder.has_main_rs = true,
                None if *name == "wit/wasmplex.wit" => folder.has_wit = true,
                None => _ = folder.files.insert((*name).to_owned(), (*text).to_owned()),
            }
        }
        folder
    }

    #[test]
    fn languages_and_kinds() {
        use Kind::{Command, Component, Module};
        use Language::{AssemblyScript, C, Cpp, Go, JavaScript, Python, Rust, Wat, Zig};
        let export = "//go:wasmexport on_chunk\n";
        let cases: &[(Files<'_>, Language, Kind, &[&str])] = &[
            (&[("Cargo.toml", "[lib]"), ("x.c", "")], Rust, Module, &[]),
            (&[("Cargo.toml", ""), ("src/main.rs", "")], Rust, Command, &[]),
            (&[("go.mod", ""), ("main.go", export)], Go, Module, &[]),
            (&[("go.mod", ""), ("main.go", "import (\n\"wasmplex/export\"\n)")], Go, Module, &[]),
            (&[("go.mod", ""), ("main.go", ""), ("a_test.go", export)], Go, Command, &[]),
            (&[("go.mod", ""), ("main.go", "package main // go:wasmexport")], Go, Command, &[]),
            (
                &[("package.json", "{}"), ("index.ts", ""), ("wasmplex.ts", "")],
                AssemblyScript,
                Module,
                &["index.ts"],
            ),
            (
                &[("package.json", "@assemblyscript/wasi-shim"), ("index.ts", "")],
                AssemblyScript,
                Command,
                &["index.ts"],
            ),
            (&[("a.zig", ""), ("wasmplex.zig", "")], Zig, Module, &["a.zig"]),
            (&[("b.zig", ""), ("x.zig", "  pub fn main() !void {"), ("a.c", "")], Zig, Command, &["x.zig"]),
            (&[("a.cpp", "int main() {}"), ("b.cc", ""), ("c.c", "")], Cpp, Command, &["a.cpp", "b.cc"]),
            (&[("a.c", "int on_main(void);"), ("b.c", "// int main(")], C, Module, &["a.c", "b.c"]),
            (&[("a.c", "int\nmain (int argc, char **argv)")], C, Command, &["a.c"]),
            (
                &[("x.js", "export function onChunk"), ("wit/wasmplex.wit", ""), ("package.json", "{}")],
                JavaScript,
                Component,
                &["x.js"],
            ),
            (
                &[("plugin.py", ""), ("other.py", ""), ("wit/wasmplex.wit", "")],
                Python,
                Component,
                &["plugin.py"],
            ),
            (&[("x.wat", ""), ("y.wat", ""), ("x.js", "")], Wat, Module, &["x.wat"]),
        ];
        for (files, language, kind, sources) in cases {
            let found = folder(files).understand("x").expect("a project").expect("a main file");
            let sources: Vec<String> = sources.iter().map(|&source| source.to_owned()).collect();
            assert_eq!(found, (*language, *kind, sources), "{files:?}");
        }
    }

    #[test]
    fn what_cannot_be_built() {
        for files in
            [&[][..], &[("README.md", "")], &[("a.js", "")], &[(".c", "")], &[("package.json", "{}")]]
        {
            assert!(folder(files).understand("x").is_none(), "{files:?}");
        }
        let several = folder(&[("a.wat", ""), ("b.wat", "")]).understand("x").unwrap();
        assert_eq!(several, Err("several *.wat: the main one should be x.wat or main.wat".to_owned()));
    }

    #[test]
    fn a_component_of_the_full_world_exports_all() {
        let wit = ("wit/wasmplex.wit", "");
        let half = folder(&[wit, ("a.js", "export function onChunk() {}"), ("b.js", "onEnd")]);
        assert!(half.is_full_world(Language::JavaScript) && !half.is_full_world(Language::C));
        let reason = folder(&[wit, ("a.js", "onChunk onEnd")]).understand("x").unwrap().unwrap_err();
        assert_eq!(reason, "a component of world plugin must export onOpen, onTimer too");
        assert!(!folder(&[wit, ("a.js", "onChunk")]).is_full_world(Language::JavaScript));
        assert!(folder(&[("a.py", "from wit_world.imports import host")]).is_full_world(Language::Python));
    }

    #[test]
    fn a_c_library_is_asked_for_by_its_headers() {
        for (text, expected) in [
            ("#include <stdint.h>\n # include <stddef.h>\n#include \"own.h\"", false),
            ("// #include <stdio.h>\n/* \n#include <stdlib.h> */", false),
            ("#include <stdio.h>", true),
            ("  #  include<inttypes.h>", true),
        ] {
            assert_eq!(folder(&[("a.c", text)]).includes_libc(), expected, "{text}");
        }
        assert!(folder(&[("a.c", ""), ("own.h", "#include <string.h>")]).includes_libc());
        assert!(!folder(&[("a.c", ""), ("wasmplex.h", "#include <string.h>")]).includes_libc());
    }
}
