//! C and C++: finding a clang that can make wasm, and what to tell it.

use std::ffi::OsString;
use std::path::Path;

use super::detect::Project;
use super::language::{Kind, Language};
use super::sdk;
use super::tools::{Missing, Program};

/// Tried in this order; the first one is what the samples are built with. Wasm's linker and libraries
/// are installed by version, so plain `clang` comes last.
const VERSIONS: [&str; 5] = ["-19", "-20", "-21", "-22", ""];

/// What a module calls at the most is shallow; wasm-ld's default would do as well.
const FREESTANDING_STACK: u32 = 64 * 1024;

/// A C library's `printf` alone takes some KiB.
const REACTOR_STACK: u32 = 256 * 1024;

/// Programs have `char buffer[65536]` in `main`.
const COMMAND_STACK: u32 = 1024 * 1024;

/// What a project asks of a clang.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Need {
    /// The compiler and the linker.
    Freestanding,
    /// And a C library.
    Libc,
    /// And a C++ library.
    LibCpp,
}

/// What a clang lacks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lack {
    WasmTarget,
    Linker,
    Libc,
    Builtins,
    LibCpp,
}

/// The compiler and its arguments, for output to `output`.
pub(super) fn recipe(project: &Project, output: &Path) -> Result<(Program, Vec<OsString>), Missing> {
    let is_cpp = project.language == Language::Cpp;
    let need = match (is_cpp, project.is_freestanding) {
        (true, _) => Need::LibCpp,
        (false, true) => Need::Freestanding,
        (false, false) => Need::Libc,
    };
    let sysroot = std::env::var("WASI_SYSROOT").ok().filter(|folder| !folder.is_empty());
    let program = find(is_cpp, need, sysroot.as_deref())?;
    Ok((program, arguments(project, need, sysroot.as_deref(), output)))
}

/// What the compiler is told.
fn arguments(project: &Project, need: Need, sysroot: Option<&str>, output: &Path) -> Vec<OsString> {
    let mut words: Vec<String> = Vec::new();
    let mut say = |more: &[&str]| words.extend(more.iter().map(|&word| word.to_owned()));
    let stack = match (need, project.kind) {
        (Need::Freestanding, _) => {
            say(&["--target=wasm32", "-ffreestanding", "-nostdlib", "-std=c17", "-Wl,--no-entry"]);
            FREESTANDING_STACK
        }
        (_, Kind::Command) => {
            say(&["--target=wasm32-wasi"]);
            COMMAND_STACK
        }
        // Without the reactor's start, constructors of globals would run again at every call.
        (_, _) => {
            say(&["--target=wasm32-wasi", "-mexec-model=reactor"]);
            REACTOR_STACK
        }
    };
    match need {
        Need::Freestanding => {}
        Need::Libc => say(&["-std=gnu17"]),
        // The usual libc++ for wasm is built without them.
        Need::LibCpp => say(&["-std=c++20", "-fno-exceptions"]),
    }
    if let Some(folder) = sysroot.filter(|_| need > Need::Freestanding) {
        say(&[&format!("--sysroot={folder}")]);
    }
    say(&["-O2", "-msimd128", "-mbulk-memory", "-Wall", "-Wextra"]);
    // A stack that is too deep traps, instead of growing into the data. Names of functions stay: a
    // backtrace is worth their bytes.
    say(&["-Wl,--stack-first", &format!("-Wl,-z,stack-size={stack}"), "-Wl,--strip-debug"]);
    if let Some(folder) = sdk::c(&project.dir).filter(|folder| *folder != project.dir) {
        say(&["-I", &folder.to_string_lossy()]);
    }
    let mut arguments: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    arguments.extend(["-o".into(), output.into()]);
    arguments.extend(project.sources.iter().map(OsString::from));
    arguments
}

/// The first clang that has all that is needed.
fn find(is_cpp: bool, need: Need, sysroot: Option<&str>) -> Result<Program, Missing> {
    let (name, variable) = if is_cpp { ("clang++", "CXX") } else { ("clang", "CC") };
    let mut tried = Vec::new();
    let mut least: Option<(Program, Lack)> = None;
    let named = Program::from_variable(variable).unwrap_or_else(|reason| {
        tried.push(reason);
        None
    });
    let sdk =
        std::env::var("WASI_SDK_PATH").ok().and_then(|folder| Program::find(&format!("{folder}/bin/{name}")));
    let versioned = VERSIONS.iter().filter_map(|version| Program::find(&format!("{name}{version}")));
    for program in named.into_iter().chain(sdk).chain(versioned) {
        match lack(&program, need, sysroot) {
            None => return Ok(program),
            Some(lack) => {
                tried.push(format!("{}: {}", program.shown(), lack.shown()));
                least.get_or_insert((program, lack));
            }
        }
    }
    let has_clang = least.is_some();
    let suffix = least.map_or("-19".to_owned(), |(program, lack)| suffix(&program, name, lack));
    let title = if is_cpp { "C++" } else { "C" };
    let what = if has_clang {
        format!("{title} needs a {name} with all that wasm takes, and here something is missing")
    } else {
        format!("{title} needs {name}, and there is none here ({variable} names another one)")
    };
    Err(Missing { what, tried, get: advice(need, &suffix) })
}

/// The version of the packages that would complete this compiler.
fn suffix(program: &Program, name: &str, lack: Lack) -> String {
    let file = program.path.file_name().unwrap_or_default().to_string_lossy();
    match file.strip_prefix(name) {
        Some(version) if version.starts_with('-') && lack != Lack::WasmTarget => version.to_owned(),
        _ => "-19".to_owned(),
    }
}

fn advice(need: Need, suffix: &str) -> Vec<(&'static str, String)> {
    let mut packages = format!("clang{suffix} lld{suffix}");
    if need >= Need::Libc {
        packages += &format!(" wasi-libc libclang-rt{suffix}-dev-wasm32");
    }
    if need >= Need::LibCpp {
        packages += &format!(" libc++{suffix}-dev-wasm32 libc++abi{suffix}-dev-wasm32");
    }
    let elsewhere = "wasi-sdk from github.com/WebAssembly/wasi-sdk, and WASI_SDK_PATH set to its folder";
    vec![
        ("Debian, Ubuntu:", format!("sudo apt-get install {packages}")),
        ("elsewhere:", elsewhere.to_owned()),
    ]
}

/// What is not there, without compiling anything.
fn lack(program: &Program, need: Need, sysroot: Option<&str>) -> Option<Lack> {
    if !program.can(&["--target=wasm32", "-E", "-x", "c", "/dev/null", "-o", "/dev/null"])
        || !program.says_any(&["--print-targets"], "wasm32")
    {
        return Some(Lack::WasmTarget);
    }
    if !program.has_linker() {
        return Some(Lack::Linker);
    }
    if need == Need::Freestanding {
        return None;
    }
    let sysroot = sysroot.map(|folder| format!("--sysroot={folder}"));
    let ask = |question: &str| {
        let mut words = vec!["--target=wasm32-wasi"];
        words.extend(sysroot.as_deref());
        words.push(question);
        program.says(&words).filter(|answer| Path::new(answer).is_file())
    };
    if ask("-print-file-name=crt1-command.o").or_else(|| ask("-print-file-name=crt1.o")).is_none() {
        return Some(Lack::Libc);
    }
    if ask("-print-libgcc-file-name").is_none() {
        return Some(Lack::Builtins);
    }
    (need == Need::LibCpp && ask("-print-file-name=libc++.a").is_none()).then_some(Lack::LibCpp)
}

impl Lack {
    const fn shown(self) -> &'static str {
        match self {
            Self::WasmTarget => "it cannot make wasm",
            Self::Linker => "there is no linker for wasm beside it (wasm-ld, of package lld)",
            Self::Libc => "there is no C library for wasm (wasi-libc)",
            Self::Builtins => "its runtime library for wasm is not there (libclang-rt)",
            Self::LibCpp => "there is no C++ library for wasm (libc++ and libc++abi)",
        }
    }
}

impl Program {
    /// Whether one of the lines that it prints begins with `word`.
    fn says_any(&self, arguments: &[&str], word: &str) -> bool {
        let output = self.command().args(arguments).output();
        output.is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout).lines().any(|line| line.trim_start().starts_with(word))
        })
    }

    /// Whether the linker that it would call is there. The dry run prints the calls on standard error,
    /// each word in quotes.
    fn has_linker(&self) -> bool {
        let dry = ["--target=wasm32", "-nostdlib", "-###", "-x", "c", "/dev/null", "-o", "/dev/null"];
        let Ok(output) = self.command().args(dry).output() else {
            return false;
        };
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let linker = text
            .split('"')
            .find(|word| word.rsplit('/').next().is_some_and(|name| name.starts_with("wasm-ld")));
        linker.is_some_and(|linker| Self::find(linker).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(language: Language, kind: Kind, is_freestanding: bool) -> Project {
        let sources = vec!["a.c".to_owned(), "b.c".to_owned()];
        let dir = "/no/such/folder".into();
        Project { dir, name: "x".to_owned(), language, kind, sources, is_freestanding, is_full: false }
    }

    fn line(language: Language, kind: Kind, need: Need, sysroot: Option<&str>) -> String {
        let project = project(language, kind, need == Need::Freestanding);
        let words = arguments(&project, need, sysroot, Path::new("out"));
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_kind_has_its_call() {
        let common = "-O2 -msimd128 -mbulk-memory -Wall -Wextra -Wl,--stack-first";
        let end = "-Wl,--strip-debug -o out a.c b.c";
        assert_eq!(
            line(Language::C, Kind::Module, Need::Freestanding, Some("/ignored")),
            format!(
                "--target=wasm32 -ffreestanding -nostdlib -std=c17 -Wl,--no-entry {common} \
                 -Wl,-z,stack-size=65536 {end}"
            )
        );
        assert_eq!(
            line(Language::C, Kind::Module, Need::Libc, Some("/wasi")),
            format!(
                "--target=wasm32-wasi -mexec-model=reactor -std=gnu17 --sysroot=/wasi {common} \
                 -Wl,-z,stack-size=262144 {end}"
            )
        );
        assert_eq!(
            line(Language::Cpp, Kind::Command, Need::LibCpp, None),
            format!(
                "--target=wasm32-wasi -std=c++20 -fno-exceptions {common} -Wl,-z,stack-size=1048576 {end}"
            )
        );
    }

    #[test]
    fn the_packages_fit_the_compiler() {
        let clang = |path: &str| Program { path: path.into(), first: vec![] };
        assert_eq!(suffix(&clang("/usr/bin/clang-21"), "clang", Lack::Libc), "-21");
        assert_eq!(suffix(&clang("clang-21"), "clang", Lack::WasmTarget), "-19");
        assert_eq!(suffix(&clang("clang"), "clang", Lack::Libc), "-19");
        let (_, line) = &advice(Need::LibCpp, "-20")[0];
        assert!(line.ends_with("libc++-20-dev-wasm32 libc++abi-20-dev-wasm32"), "{line}");
        assert!(!advice(Need::Freestanding, "-19")[0].1.contains("wasi-libc"));
    }
}
