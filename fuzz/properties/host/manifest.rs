//! `NAME.json` beside a plugin.

use std::path::Path;
use std::time::Duration;

use wasmplex::http::encode::is_settable_field;
use wasmplex::plugin::Limits;
use wasmplex::registry::manifest::{MAX_MANIFEST, Policy, Settled, parse};

const CAPS: Limits = Limits {
    memory: 1 << 24,
    memory_per_exchange: 1 << 25,
    cpu_per_call: Duration::from_secs(2),
    time_per_call: Duration::from_secs(4),
    cpu_per_exchange: Some(Duration::from_secs(8)),
    emitted: Some(1 << 20),
    received: Some(1 << 21),
    log_lines: Some(1_000),
};

/// A manifest is understood in one way, and never gives more than the operator allows; what is wrong
/// with one is said in a line.
pub fn property(data: &[u8]) {
    let data = &data[..data.len().min(MAX_MANIFEST as usize)];
    let defaults = Limits { memory: 1 << 20, emitted: Some(1 << 10), ..CAPS };
    let policy = Policy { defaults, caps: CAPS };
    // Where no folder is, no relative one can be granted.
    let folder = Path::new("/nowhere");
    let settled = parse(data, folder, &policy);
    assert_eq!(parse(data, folder, &policy), settled, "read twice");
    match settled {
        Ok(settled) => is_allowed(&settled),
        Err(reason) => {
            assert!(!reason.is_empty());
            assert!(!reason.contains(char::is_control), "not a line: {reason:?}");
        }
    }
}

fn is_allowed(settled: &Settled) {
    let limits = settled.settings.limits;
    assert!(limits.memory <= CAPS.memory && limits.memory_per_exchange <= CAPS.memory_per_exchange);
    assert!(limits.cpu_per_call <= CAPS.cpu_per_call && limits.time_per_call <= CAPS.time_per_call);
    assert!(limits.cpu_per_exchange.is_some() && limits.cpu_per_exchange <= CAPS.cpu_per_exchange);
    for (limit, cap) in
        [(limits.emitted, CAPS.emitted), (limits.received, CAPS.received), (limits.log_lines, CAPS.log_lines)]
    {
        assert!(limit.is_some() && limit <= cap, "{limit:?} of {cap:?}");
    }
    for (name, value) in &settled.settings.response {
        assert!(is_settable_field(name.as_bytes(), value.as_bytes()), "{name}: {value}");
    }
    let grants = &settled.settings.grants;
    for (name, value) in &grants.env {
        assert!(!name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0'), "{name}={value}");
    }
    assert!(grants.args.iter().all(|arg| !arg.contains('\0')));
    for dir in &grants.dirs {
        assert!(dir.host.is_dir() && !dir.guest.is_empty(), "{dir:?}");
    }
    assert!(!settled.methods.allow().is_empty());
}
