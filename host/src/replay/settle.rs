//! From the manifest in a capsule to a plugin's settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use serde_json::json;

use crate::capsule::form::{Manifest, Route};
use crate::capsule::mask::MASK;
use crate::config;
use crate::plugin::{DirGrant, Grants, Limits, Settings};
use crate::registry::manifest::{self, Policy};

/// No bound: what was allowed then is allowed now.
const UNBOUNDED: Limits = Limits {
    memory: usize::MAX,
    memory_per_exchange: usize::MAX,
    cpu_per_call: Duration::MAX,
    time_per_call: Duration::MAX,
    cpu_per_exchange: None,
    emitted: None,
    received: None,
    log_lines: None,
};

/// The settings that were in effect. Masked values are [`MASK`]. Of the folders, only if asked for, those
/// that are here too are granted, for reading: a replay writes nowhere.
pub(super) fn settings(manifest: &Manifest, with_dirs: bool) -> anyhow::Result<Settings> {
    let shown = json!({"limits": manifest.limits}).to_string();
    let policy = Policy { defaults: Limits::default(), caps: UNBOUNDED };
    let settled = manifest::parse(shown.as_bytes(), Path::new("."), &policy);
    let limits = settled.map_err(|reason| anyhow!("manifest.{reason}"))?.settings.limits;
    let pair = |(name, value): (&String, &Option<String>)| {
        (name.clone(), value.clone().unwrap_or_else(|| MASK.to_owned()))
    };
    let dirs = manifest.dirs.iter().filter(|_| with_dirs).filter_map(|dir| {
        let host = PathBuf::from(&dir.host);
        host.is_dir().then(|| DirGrant { host, guest: dir.guest.clone(), write: false })
    });
    let grants = Grants {
        args: manifest.args.clone(),
        env: manifest.env.iter().map(pair).collect(),
        dirs: dirs.collect(),
    };
    Ok(Settings {
        limits,
        grants,
        response: manifest.response.iter().map(pair).collect(),
        config: manifest.config.iter().map(pair).collect(),
    })
}

/// What limited the exchange as a whole.
pub(super) fn shared_limits(route: &Route) -> anyhow::Result<Limits> {
    let cpu = config::optional_time(&route.cpu_per_exchange);
    let memory = config::size(&route.memory_per_exchange);
    Ok(Limits {
        memory_per_exchange: memory.map_err(|error| anyhow!("route.memory_per_exchange: {error}"))?,
        cpu_per_exchange: cpu.map_err(|error| anyhow!("route.cpu_per_exchange: {error}"))?.0,
        ..UNBOUNDED
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::show;

    #[test]
    fn limits_come_back_as_they_were() {
        let odd = Limits {
            memory: 1_000_001,
            memory_per_exchange: 3 << 30,
            cpu_per_call: Duration::from_micros(1_500),
            time_per_call: Duration::from_millis(90_001),
            cpu_per_exchange: Some(Duration::from_secs(3_601)),
            emitted: Some(0),
            received: Some(12_345),
            log_lines: Some(7),
        };
        for limits in [odd, Limits::default()] {
            let manifest = Manifest { limits: show::limits(&limits), ..Manifest::default() };
            assert_eq!(settings(&manifest, true).unwrap().limits, limits);
        }
    }

    #[test]
    fn folders_are_granted_for_reading_where_they_are() {
        let dir = |host: &str| crate::capsule::form::Dir {
            host: host.to_owned(),
            guest: "/x".to_owned(),
            write: true,
        };
        let manifest = Manifest { dirs: vec![dir("/"), dir("/no/such/folder")], ..Manifest::default() };
        assert_eq!(settings(&manifest, false).unwrap().grants.dirs, []);
        let grants = settings(&manifest, true).unwrap().grants;
        assert_eq!(grants.dirs, [DirGrant { host: "/".into(), guest: "/x".to_owned(), write: false }]);
    }
}
