//! The files of this repository that are embedded in this program: templates of projects, and the SDKs
//! that projects get a copy of. A test compares the lists with the folders.

/// A file of this repository.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    /// Relative to its folder.
    pub(super) path: &'static str,
    pub(super) bytes: &'static [u8],
}

/// A folder of this repository.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folder {
    /// Relative to the repository.
    #[cfg(test)]
    path: &'static str,
    pub(super) files: &'static [File],
}

/// A folder, and the files in it.
macro_rules! folder {
    ($folder:literal: $($path:literal),* $(,)?) => {
        Folder {
            #[cfg(test)]
            path: $folder,
            files: &[$(File { path: $path, bytes: include_bytes!(concat!("../../../", $folder, "/", $path)) }),*],
        }
    };
}

/// What every project has.
pub(super) const COMMON: Folder = folder!("templates/common":
    ".gitignore",
    "README.md",
    "tests/empty.in",
    "tests/empty.out",
    "tests/utf-8.in",
    "tests/utf-8.out",
    "tests/words.in",
    "tests/words.out",
);

pub(super) const ASSEMBLYSCRIPT: Folder = folder!("templates/assemblyscript":
    ".gitignore",
    "asconfig.json",
    "index.ts",
    "package.json",
);
pub(super) const ASSEMBLYSCRIPT_COMMAND: Folder = folder!("templates/assemblyscript-command":
    ".gitignore",
    "index.ts",
    "package.json",
);
pub(super) const C: Folder = folder!("templates/c":
    "plugin-name.c",
);
pub(super) const C_COMMAND: Folder = folder!("templates/c-command":
    "plugin-name.c",
);
pub(super) const CPP: Folder = folder!("templates/cpp":
    "plugin-name.cpp",
);
pub(super) const CPP_COMMAND: Folder = folder!("templates/cpp-command":
    "plugin-name.cpp",
);
pub(super) const GO: Folder = folder!("templates/go":
    "go.mod",
    "plugin-name.go",
);
pub(super) const GO_COMMAND: Folder = folder!("templates/go-command":
    "go.mod",
    "plugin-name.go",
);
pub(super) const JAVASCRIPT: Folder = folder!("templates/javascript":
    ".gitignore",
    "package.json",
    "plugin-name.js",
);
pub(super) const PYTHON: Folder = folder!("templates/python":
    ".gitignore",
    "plugin.py",
    "requirements.txt",
);
pub(super) const RUST: Folder = folder!("templates/rust":
    ".cargo/config.toml",
    ".gitignore",
    "Cargo.toml",
    "src/lib.rs",
);
pub(super) const RUST_COMMAND: Folder = folder!("templates/rust-command":
    ".gitignore",
    "Cargo.toml",
    "src/main.rs",
);
pub(super) const WAT: Folder = folder!("templates/wat":
    "plugin-name.wat",
);
pub(super) const ZIG: Folder = folder!("templates/zig":
    "plugin-name.zig",
);
pub(super) const ZIG_COMMAND: Folder = folder!("templates/zig-command":
    "plugin-name.zig",
);

pub(super) const SDK_ASSEMBLYSCRIPT: Folder = folder!("plugin-sdk/assemblyscript":
    "wasmplex.ts",
);
pub(super) const SDK_C: Folder = folder!("plugin-sdk/c":
    "wasmplex.h",
);
pub(super) const SDK_GO: Folder = folder!("plugin-sdk/go":
    "README.md",
    "export/export.go",
    "export/export_wasip1.go",
    "go.mod",
    "hostcalls.go",
    "internal/hostcalls/hostcalls.go",
    "internal/hostcalls/hostcalls_wasip1.go",
    "lines.go",
    "plugin.go",
    "wasmplextest/host.go",
    "wasmplextest/wasmplextest.go",
);
pub(super) const SDK_RUST: Folder = folder!("plugin-sdk/rust":
    "Cargo.toml",
    "README.md",
    "src/bytes.rs",
    "src/chunk.rs",
    "src/export.rs",
    "src/frames.rs",
    "src/gather.rs",
    "src/hostcalls.rs",
    "src/lib.rs",
    "src/lines.rs",
    "src/logging.rs",
    "src/plugin.rs",
    "src/request.rs",
    "src/response.rs",
    "src/store.rs",
    "src/testing/cuts.rs",
    "src/testing/golden.rs",
    "src/testing/host.rs",
    "src/testing/json.rs",
    "src/testing/mod.rs",
    "src/testing/tests.rs",
    "src/wasm.rs",
    "src/window.rs",
);
pub(super) const SDK_WIT: Folder = folder!("plugin-sdk/wit":
    "wasmplex.wit",
);
pub(super) const SDK_ZIG: Folder = folder!("plugin-sdk/zig":
    "wasmplex.zig",
);

/// No SDK is needed.
pub(super) const NO_SDK: Folder = Folder {
    #[cfg(test)]
    path: "",
    files: &[],
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// The files of a folder that belong to it: no output, no native tests, nothing that tools lock.
    fn on_disk(folder: &Path, below: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder.join(below)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
            if entry.path().is_dir() {
                if !["target", "node_modules", "tests"].contains(&name.as_str()) || folder.ends_with("common")
                {
                    on_disk(folder, &path, found);
                }
            } else if name != "Cargo.lock" && !name.ends_with("_test.go") {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_file_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for folder in [
            COMMON,
            ASSEMBLYSCRIPT,
            ASSEMBLYSCRIPT_COMMAND,
            C,
            C_COMMAND,
            CPP,
            CPP_COMMAND,
            GO,
            GO_COMMAND,
            JAVASCRIPT,
            PYTHON,
            RUST,
            RUST_COMMAND,
            WAT,
            ZIG,
            ZIG_COMMAND,
            SDK_GO,
            SDK_RUST,
        ] {
            let mut found = Vec::new();
            on_disk(&root.join(folder.path), "", &mut found);
            found.sort();
            let embedded: Vec<&str> = folder.files.iter().map(|file| file.path).collect();
            assert_eq!(embedded, found, "{}: host/src/project/embedded.rs lists its files", folder.path);
        }
    }

    #[test]
    fn the_other_sdks_are_a_file() {
        for folder in [SDK_ASSEMBLYSCRIPT, SDK_C, SDK_WIT, SDK_ZIG] {
            assert!(folder.files.len() == 1 && !folder.files[0].bytes.is_empty(), "{}", folder.path);
        }
    }
}
