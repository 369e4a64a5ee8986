//! A new project: the files of `templates/` and the SDK of its language, both embedded in this
//! program, so that it needs neither the repository nor a network.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::embedded::{self, Folder};
use super::language::{Kind, Language};

/// What the name is called in the templates, in texts and in names of files.
const NAME: &str = "plugin-name";

/// What is special about a language's projects.
struct Template {
    files: Folder,
    /// The SDK, and the folder of the project that it is copied to.
    sdk: (&'static str, Folder),
    /// Where the author writes.
    sources: &'static str,
    /// What builds it.
    toolchain: &'static str,
}

/// The template of a language's filter or command. Modules and components come from the same place:
/// a language has one of them.
const fn template(language: Language, is_command: bool) -> Option<Template> {
    let (files, sdk, sources) = match (language, is_command) {
        (Language::AssemblyScript, false) => (
            embedded::ASSEMBLYSCRIPT,
            ("", embedded::SDK_ASSEMBLYSCRIPT),
            "index.ts (wasmplex.ts is the SDK)",
        ),
        (Language::AssemblyScript, true) => (embedded::ASSEMBLYSCRIPT_COMMAND, NO_SDK, "index.ts"),
        (Language::C, false) => (embedded::C, ("", embedded::SDK_C), "plugin-name.c (wasmplex.h is the SDK)"),
        (Language::C, true) => (embedded::C_COMMAND, NO_SDK, "plugin-name.c"),
        (Language::Cpp, false) => {
            (embedded::CPP, ("", embedded::SDK_C), "plugin-name.cpp (wasmplex.h is the SDK)")
        }
        (Language::Cpp, true) => (embedded::CPP_COMMAND, NO_SDK, "plugin-name.cpp"),
        (Language::Go, false) => {
            (embedded::GO, ("wasmplex/", embedded::SDK_GO), "plugin-name.go (wasmplex/ is the SDK)")
        }
        (Language::Go, true) => (embedded::GO_COMMAND, NO_SDK, "plugin-name.go"),
        (Language::JavaScript, false) => {
            (embedded::JAVASCRIPT, ("wit/", embedded::SDK_WIT), "plugin-name.js (wit/ is the interface)")
        }
        (Language::Python, false) => {
            (embedded::PYTHON, ("wit/", embedded::SDK_WIT), "plugin.py (wit/ is the interface)")
        }
        (Language::Rust, false) => (
            embedded::RUST,
            ("wasmplex-plugin/", embedded::SDK_RUST),
            "src/lib.rs (wasmplex-plugin/ is the SDK)",
        ),
        (Language::Rust, true) => (embedded::RUST_COMMAND, NO_SDK, "src/main.rs"),
        (Language::Wat, false) => (embedded::WAT, NO_SDK, "plugin-name.wat"),
        (Language::Zig, false) => {
            (embedded::ZIG, ("", embedded::SDK_ZIG), "plugin-name.zig (wasmplex.zig is the SDK)")
        }
        (Language::Zig, true) => (embedded::ZIG_COMMAND, NO_SDK, "plugin-name.zig"),
        (Language::JavaScript | Language::Python | Language::Wat, true) => return None,
    };
    Some(Template { files, sdk, sources, toolchain: toolchain(language, is_command) })
}

/// What a project needs to be built, for its README.
const fn toolchain(language: Language, is_command: bool) -> &'static str {
    match (language, is_command) {
        (Language::AssemblyScript, _) => {
            "Node.js of at least 20 and the packages of package.json (`npm install`)"
        }
        (Language::C, false) => "clang and lld (Debian, Ubuntu: `sudo apt-get install clang-19 lld-19`)",
        (Language::C, true) => {
            "clang, lld and wasi-libc (Debian, Ubuntu: `sudo apt-get install clang-19 lld-19 wasi-libc \
             libclang-rt-19-dev-wasm32`)"
        }
        (Language::Cpp, _) => {
            "clang, lld, wasi-libc and libc++ (Debian, Ubuntu: `sudo apt-get install clang-19 lld-19 wasi-libc \
             libclang-rt-19-dev-wasm32 libc++-19-dev-wasm32 libc++abi-19-dev-wasm32`)"
        }
        (Language::Go, _) => "Go of at least 1.24 (https://go.dev/dl)",
        (Language::JavaScript, _) => {
            "Node.js of at least 18 and the packages of package.json (`npm install`)"
        }
        (Language::Python, _) => {
            "componentize-py (`python3 -m venv .venv && .venv/bin/pip install -r requirements.txt`)"
        }
        (Language::Rust, false) => "Rust and its wasm target (`rustup target add wasm32-unknown-unknown`)",
        (Language::Rust, true) => "Rust and its WASI target (`rustup target add wasm32-wasip1`)",
        (Language::Wat, _) => "nothing else",
        (Language::Zig, _) => "Zig 0.17 (`pip install ziglang==0.17.1`, or https://ziglang.org/download)",
    }
}

/// Where the program alone is the plugin.
const NO_SDK: (&str, Folder) = ("", embedded::NO_SDK);

/// Whether there is a template for it.
#[must_use]
pub const fn is_there(language: Language, is_command: bool) -> bool {
    template(language, is_command).is_some()
}

/// Writes a project into `dir`, which is made if it is not there and must be empty. Returns the paths
/// of its files, relative to `dir`.
///
/// # Errors
///
/// When there is no such template, something is in the folder, or it cannot be written.
pub fn write(dir: &Path, name: &str, language: Language, is_command: bool) -> io::Result<Vec<String>> {
    let Some(template) = template(language, is_command) else {
        return Err(io::Error::other(format!("there is no template for this in {language}")));
    };
    fs::create_dir_all(dir)?;
    if fs::read_dir(dir)?.next().is_some() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is not empty"));
    }
    let kind = if is_command { Kind::Command } else { language.filter_kind() };
    let mut written = Vec::new();
    for (path, bytes) in contents(&template, name, language, kind) {
        let target = dir.join(&path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::File::create_new(&target)?.write_all(&bytes)?;
        written.push(path);
    }
    Ok(written)
}

/// Paths and bytes of all files of a project.
fn contents(template: &Template, name: &str, language: Language, kind: Kind) -> Vec<(String, Vec<u8>)> {
    let mut contents: Vec<(String, Vec<u8>)> = Vec::new();
    for file in embedded::COMMON.files.iter().chain(template.files.files) {
        let path = file.path.replace(NAME, name);
        let Ok(text) = std::str::from_utf8(file.bytes) else {
            contents.push((path, file.bytes.to_vec()));
            continue;
        };
        let mut text = text.replace(NAME, &name_in(file.path, name));
        if file.path == "README.md" {
            for (key, value) in [
                ("{language}", language.title()),
                ("{kind}", &kind.to_string()),
                ("{sources}", template.sources.replace(NAME, name).as_str()),
                ("{toolchain}", template.toolchain),
            ] {
                text = text.replace(key, value);
            }
        }
        match contents.iter_mut().find(|(other, _)| *other == path) {
            // Of a file that both have, the language's follows.
            Some((_, bytes)) => bytes.extend_from_slice(text.as_bytes()),
            None => contents.push((path, text.into_bytes())),
        }
    }
    let (folder, sdk) = template.sdk;
    contents.extend(sdk.files.iter().map(|file| (format!("{folder}{}", file.path), file.bytes.to_vec())));
    contents
}

/// The name as a file of this path may have it: what names a package has rules of its own.
fn name_in(path: &str, name: &str) -> String {
    match path {
        // Cargo: letters, digits, - and _, no digit first, and not a keyword or a crate of Rust's own.
        "Cargo.toml" => format!("plugin-{}", name.replace('.', "-")),
        // npm: lower case, and not a module of node's own.
        "package.json" => format!("plugin-{}", name.to_ascii_lowercase()),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;
    use crate::project::scratch::Scratch;
    use std::path::PathBuf;

    #[test]
    fn each_template_is_a_project_of_its_language() {
        for language in Language::ALL {
            for is_command in [false, true] {
                assert_eq!(
                    is_there(language, is_command),
                    language.has_commands() || !is_command,
                    "{language}"
                );
                if !is_there(language, is_command) {
                    continue;
                }
                let scratch = Scratch::new().unwrap();
                let dir = scratch.path().join("my.Plugin-1");
                let written = write(&dir, "my.Plugin-1", language, is_command).unwrap();
                assert!(written.iter().all(|path| !path.contains(NAME)), "{written:?}");
                let project = Project::find(&dir).unwrap();
                assert_eq!((project.language, project.kind == Kind::Command), (language, is_command));
                assert!(project.kind == Kind::Command || project.kind == language.filter_kind());
                let texts = written.iter().filter(|path| !path.starts_with("tests/"));
                for text in texts.map(|path| fs::read_to_string(dir.join(path)).unwrap()) {
                    assert!(!text.contains(NAME) && !text.contains("{kind}"), "{text}");
                }
                assert!(write(&dir, "x", language, is_command).is_err(), "nothing is overwritten");
            }
        }
    }

    #[test]
    fn names_of_packages_have_their_rules() {
        assert_eq!(name_in("Cargo.toml", "9.Lives"), "plugin-9-Lives");
        assert_eq!(name_in("package.json", "9.Lives"), "plugin-9.lives");
        assert_eq!(name_in("README.md", "9.Lives"), "9.Lives");
    }

    #[test]
    fn a_file_that_both_have_is_joined() {
        let scratch = Scratch::new().unwrap();
        let dir: PathBuf = scratch.path().join("x");
        write(&dir, "x", Language::Rust, false).unwrap();
        assert_eq!(fs::read_to_string(dir.join(".gitignore")).unwrap(), "/x.wasm\n/target/\n");
    }
}
