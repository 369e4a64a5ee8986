//! Write wasmplex plugins in Rust.
//!
//! A plugin turns the body of one HTTP request into the body of its response,
//! while the request is still arriving. Implement [`Plugin`], name the type in
//! [`export!`], build a `cdylib` for `wasm32-unknown-unknown`:
//!
//! ```
//! use wasmplex_plugin::{Next, Plugin, emit};
//!
//! /// Upper-cases a text.
//! #[derive(Default)]
//! struct Shout;
//!
//! impl Plugin for Shout {
//!     fn on_chunk(&mut self, chunk: &mut [u8]) -> Next {
//!         chunk.make_ascii_uppercase();
//!         emit(chunk);
//!         Next::GoOn
//!     }
//! }
//!
//! wasmplex_plugin::export!(Shout);
//!
//! // The same type runs natively, without a host, in an ordinary test:
//! let outcome = wasmplex_plugin::testing::run::<Shout>(&[b"hel", b"lo"]);
//! assert_eq!(outcome.emitted, b"HELLO");
//! ```
//!
//! # Layout
//!
//! | where | what |
//! | --- | --- |
//! | [`Plugin`], [`Open`], [`Next`], [`End`] | what you write, and the answers it gives |
//! | [`emit`], [`request_field`], [`response_field`], … | what the host does for you |
//! | [`method`], [`path`], [`query`], [`content_type`], [`request_lists`] | the request head, typed |
//! | [`Response`], [`Open::rejected`] and its sisters | the response head, typed |
//! | [`Lines`], [`Frames`], [`Window`] | what lies across chunk borders, put together |
//! | [`Gather`], [`find_byte`], [`find_where`] | fewer emits, a quick search |
//! | [`log`], [`info!`] and its sisters | lines in the host's log |
//! | [`export!`], [`panic_handler!`], [`log_panics!`] | what makes a module of it |
//! | `testing` (native targets only) | runs a plugin in a unit test |
//!
//! # `no_std` and std
//!
//! On wasm this crate is `no_std` and allocates nothing. A `no_std` plugin starts
//! with `#![cfg_attr(target_arch = "wasm32", no_std)]`, so that its tests still
//! have std, and calls [`panic_handler!`]. A std plugin leaves both away.
//!
//! # Unsafe code
//!
//! All of it is in one private module that exists on wasm32 only. [`export!`]
//! puts `#[unsafe(no_mangle)]` functions into your crate, so a plugin can
//! `deny(unsafe_code)` but not `forbid` it.

#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod bytes;
mod chunk;
mod export;
mod frames;
mod gather;
mod hostcalls;
mod lines;
mod logging;
mod plugin;
mod request;
mod response;
mod store;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
#[cfg(target_arch = "wasm32")]
mod wasm;
mod window;

/// The host behind the hostcalls: the real one in wasm, the test host elsewhere.
#[cfg(not(target_arch = "wasm32"))]
use testing::hostcalls as host;
#[cfg(target_arch = "wasm32")]
use wasm::hostcalls as host;

pub use bytes::{find_byte, find_where};
pub use chunk::CHUNK_CAPACITY;
pub use frames::{FrameError, FrameHead, Frames, Prefix};
pub use gather::Gather;
pub use hostcalls::{
    BadConfig, HeadRefused, MAX_TIMER, TooLong, cancel_timer, config, config_parsed, emit, monotonic_time,
    request_field, response_field, response_status, set_timer, unix_time,
};
#[cfg(feature = "alloc")]
pub use hostcalls::{config_string, request_field_vec};
pub use lines::{Line, Lines};
pub use logging::{LOG_LINE_CAPACITY, Level, log};
pub use plugin::{End, Next, Open, Plugin};
pub use request::{ContentType, Encoded, Method, Query, content_type, method, path, query, request_lists};
pub use response::{Refused, Response};
#[cfg(feature = "alloc")]
pub use store::Growing;
pub use store::{Fixed, Store};
pub use window::Window;

/// What the macros expand to. Not for direct use; may change in any release.
#[doc(hidden)]
pub mod __private {
    pub use crate::export::assert_plugin;
    pub use crate::logging::{log_args, log_panic};
    #[cfg(target_arch = "wasm32")]
    pub use crate::wasm::{Slot, chunk_buffer, panicked};
}

/// Has the README's example compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
