#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wasmplex_fuzz::host::capsule::property(data));
