#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    wasmplex_fuzz::host::manifest::property(data);
    wasmplex_fuzz::host::routes::property(data);
});
