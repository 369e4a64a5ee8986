//! The properties of `properties/`, as the fuzz targets run them: the pure ones on the pure modules alone,
//! those of the whole host (feature `host`) on the whole host.

#[path = "../properties/wire/mod.rs"]
pub mod wire;

#[cfg(feature = "host")]
#[path = "../properties/host/mod.rs"]
pub mod host;

use wasmplex_pure as subject;
