//! The macros that make a wasm module of a plugin.

use crate::Plugin;

/// Lets [`export!`](crate::export!) check its argument on every target.
pub const fn assert_plugin<P: Plugin>() {}

/// Exports a [`Plugin`] as this module's ABI version 1 functions: `chunk_buffer`,
/// `on_open`, `on_chunk`, `on_end` and `on_timer`. The linker exports `memory`.
///
/// Once in a `cdylib` crate, at module level. On other targets than wasm32 it
/// only checks that the type is a plugin, so that tests can be built.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        const _: () = $crate::__private::assert_plugin::<$plugin>();

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "exported functions need #[unsafe(no_mangle)]")]
        const _: () = {
            static PLUGIN: $crate::__private::Slot<$plugin> = $crate::__private::Slot::new();

            #[unsafe(no_mangle)]
            extern "C" fn chunk_buffer(cap: usize) -> usize {
                $crate::__private::chunk_buffer(cap)
            }

            #[unsafe(no_mangle)]
            extern "C" fn on_open() -> i32 {
                PLUGIN.on_open()
            }

            #[unsafe(no_mangle)]
            extern "C" fn on_chunk(ptr: usize, len: usize) -> i32 {
                PLUGIN.on_chunk(ptr, len)
            }

            #[unsafe(no_mangle)]
            extern "C" fn on_end() -> i32 {
                PLUGIN.on_end()
            }

            #[unsafe(no_mangle)]
            extern "C" fn on_timer() -> i32 {
                PLUGIN.on_timer()
            }
        };
    };
}

/// The panic handler of a `no_std` plugin: logs where the panic was, and what it
/// said if that is a plain string, at level error, then traps.
///
/// Once in a `no_std` plugin, at module level; std plugins have a handler already
/// ([`log_panics!`](crate::log_panics!) is for them). It is a macro of its own, and
/// not part of [`export!`](crate::export!), because only the plugin knows which of
/// the two it is. Formatted messages are left out: the formatting would make a
/// 1 KB plugin a 10 KB plugin.
#[macro_export]
macro_rules! panic_handler {
    () => {
        #[cfg(target_arch = "wasm32")]
        #[panic_handler]
        fn wasmplex_panic_handler(info: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::__private::panicked(info)
        }
    };
}

/// Makes the panics of a std plugin visible in the host's log.
///
/// A panic in a std plugin on `wasm32-unknown-unknown` traps without a word, as its
/// standard error leads nowhere. Call this first in the plugin's `default` or
/// `on_open`, and each panic is logged at level error with place and message.
/// Natively it does nothing, so that tests show their own panics.
#[macro_export]
macro_rules! log_panics {
    () => {
        #[cfg(target_arch = "wasm32")]
        ::std::panic::set_hook(::std::boxed::Box::new(|info| {
            let payload = info.payload();
            let message = match payload.downcast_ref::<&str>() {
                Some(text) => Some(*text),
                None => payload.downcast_ref::<::std::string::String>().map(|text| text.as_str()),
            };
            $crate::__private::log_panic(info.location(), message);
        }));
    };
}
