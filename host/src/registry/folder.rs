//! A generation from the files of a folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::{Generation, is_name};
use crate::plugin::{Engine, Limits, Plugin};

/// The largest plugin file, in bytes. Python components have about 18 MB.
const MAX_FILE: u64 = 256 * 1024 * 1024;

/// A file that is not served, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bad {
    pub file: PathBuf,
    pub reason: String,
}

/// Loads all `*.wasm` and `*.wat` of `folder`. One bad file does not stop the rest.
///
/// # Errors
///
/// Only when the folder itself cannot be read.
pub fn load(engine: &Engine, folder: &Path, limits: Limits) -> anyhow::Result<(Generation, Vec<Bad>)> {
    let (chosen, mut bad) = choose(&list(folder)?);
    let mut plugins = Vec::new();
    for (name, file) in chosen {
        match load_file(engine, &name, &file, limits) {
            Ok(plugin) => plugins.push(plugin),
            Err(reason) => bad.push(Bad { file, reason }),
        }
    }
    Ok((plugins.into_iter().collect(), bad))
}

/// Reads and compiles one file.
///
/// # Errors
///
/// The reason, in a line.
pub fn load_file(engine: &Engine, name: &str, file: &Path, limits: Limits) -> Result<Arc<Plugin>, String> {
    let bytes = read(file).map_err(|error| format!("{error:#}"))?;
    Plugin::load(engine, name, &bytes, limits).map_err(|error| error.to_string())
}

/// Reads a plugin file, if its size is bearable.
///
/// # Errors
///
/// When it cannot be read or is too large.
pub fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let metadata = fs::metadata(file).context("cannot be read")?;
    anyhow::ensure!(metadata.is_file(), "it is not a regular file");
    let mut bytes = Vec::new();
    let opened = fs::File::open(file).context("cannot be read")?;
    opened.take(MAX_FILE + 1).read_to_end(&mut bytes).context("cannot be read")?;
    anyhow::ensure!(bytes.len() as u64 <= MAX_FILE, "it has more than {MAX_FILE} bytes");
    Ok(bytes)
}

fn list(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read the plugin folder {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot)? {
        files.push(entry.with_context(cannot)?.path());
    }
    files.sort();
    Ok(files)
}

/// Which file gives which name. Pure: a decision on paths.
fn choose(files: &[PathBuf]) -> (BTreeMap<String, PathBuf>, Vec<Bad>) {
    let mut chosen = BTreeMap::<String, PathBuf>::new();
    let mut bad = Vec::new();
    // `.wasm` sorts before `.wat`: what was built wins over its source beside it.
    for file in files {
        let is_plugin = file.extension().is_some_and(|ending| ending == "wasm" || ending == "wat");
        let Some(name) = file.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_plugin) else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        if !is_name(name) {
            let reason = "its name is not one: letters, digits, '.', '_' and '-', at most 64, and a \
                          letter or digit first";
            bad.push(Bad { file: file.clone(), reason: reason.to_owned() });
        } else if let Some(other) = chosen.get(name) {
            let reason = format!("{} has the same name", other.display());
            bad.push(Bad { file: file.clone(), reason });
        } else {
            chosen.insert(name.to_owned(), file.clone());
        }
    }
    (chosen, bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_chosen_by_name() {
        let files: Vec<PathBuf> = [".x.wasm", "a.json", "a.wasm", "a.wat", "b+c.wasm", "d.wat", "e", "wasm"]
            .map(PathBuf::from)
            .into();
        let (chosen, bad) = choose(&files);
        let chosen: Vec<_> =
            chosen.iter().map(|(name, file)| (name.as_str(), file.to_str().unwrap())).collect();
        assert_eq!(chosen, [("a", "a.wasm"), ("d", "d.wat")]);
        let bad: Vec<_> = bad.iter().map(|bad| bad.file.to_str().unwrap()).collect();
        assert_eq!(bad, ["a.wat", "b+c.wasm"]);
    }
}
