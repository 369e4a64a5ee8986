//! `routes.json`.

use wasmplex::plugin::MAX_STAGES;
use wasmplex::registry::{is_name, routes};

/// Whatever is understood is a name for 1 to 8 names, and what is wrong is said in a line.
pub fn property(data: &[u8]) {
    match routes::parse(data) {
        Ok(routes) => {
            for (alias, stages) in &routes {
                assert!(is_name(alias), "{alias:?}");
                assert!((1..=MAX_STAGES).contains(&stages.len()) && stages.iter().all(|name| is_name(name)));
            }
        }
        Err(reason) => {
            assert!(!reason.is_empty());
            assert!(!reason.contains(char::is_control), "not a line: {reason:?}");
        }
    }
}
