//! `routes.json`: names for pipes.

use std::collections::BTreeMap;

use super::{in_a_line, is_name};
use crate::plugin::MAX_STAGES;

/// The file's name in the folder.
pub(super) const FILE: &str = "routes.json";

/// Understands the file.
///
/// # Errors
///
/// What is wrong with it, with the route, in a line.
pub fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Vec<String>>, String> {
    understand(bytes).map_err(|reason| in_a_line(&reason))
}

fn understand(bytes: &[u8]) -> Result<BTreeMap<String, Vec<String>>, String> {
    let routes: BTreeMap<String, Vec<String>> =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let mut parsed = BTreeMap::new();
    for (route, stages) in routes {
        let alias = route.strip_prefix('/').unwrap_or(&route).to_owned();
        if !is_name(&alias) {
            return Err(format!("{route}: a route is one name, such as /secure"));
        }
        if stages.is_empty() || stages.len() > MAX_STAGES {
            return Err(format!("{route}: needs 1 to {MAX_STAGES} plugins"));
        }
        if let Some(name) = stages.iter().find(|name| !is_name(name)) {
            return Err(format!("{route}: '{name}' is not a plugin's name"));
        }
        if parsed.insert(alias, stages).is_some() {
            return Err(format!("{route}: is there twice"));
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_with_and_without_slash() {
        let routes = parse(br#"{"/secure": ["redact", "rot13"], "plain": ["a"]}"#).unwrap();
        let routes: Vec<_> = routes.iter().map(|(alias, names)| (alias.as_str(), names.join("+"))).collect();
        assert_eq!(routes, [("plain", "a".to_owned()), ("secure", "redact+rot13".to_owned())]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("", "EOF"),
            ("[]", "invalid type"),
            (r#"{"/a/b": ["x"]}"#, "/a/b"),
            (r#"{"/": ["x"]}"#, "/:"),
            (r#"{"/a": []}"#, "/a"),
            (r#"{"/a": ["1","2","3","4","5","6","7","8","9"]}"#, "1 to 8"),
            (r#"{"/a": ["x+y"]}"#, "'x+y'"),
            (r#"{"/a": "x"}"#, "invalid type"),
            (r#"{"/a\nb": ["x"]}"#, r"/a\nb: "),
            (r#"{"/a": ["x"], "a": ["y"]}"#, "twice"),
        ] {
            let error = parse(text.as_bytes()).expect_err(text);
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
