//! What the outside gives to a plugin: nothing, unless its manifest says so.

use std::path::PathBuf;

/// Arguments, environment and folders of a plugin's instances.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grants {
    /// Arguments after the name, for those that ask WASI for them.
    pub args: Vec<String>,
    /// Environment variables: name and value.
    pub env: Vec<(String, String)>,
    /// Folders.
    pub dirs: Vec<DirGrant>,
}

/// A folder of the host's that a plugin may see (a WASI preopen), and all below it, never out of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DirGrant {
    /// Where it is.
    pub host: PathBuf,
    /// What the plugin calls it.
    pub guest: String,
    /// Whether it may be written to.
    pub write: bool,
}
