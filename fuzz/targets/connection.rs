#![no_main]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use wasmplex_fuzz::host::connection;

/// A server in this process, so that its coverage counts.
static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("wasmplex-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for plugins");
    for (name, text) in connection::PLUGINS {
        std::fs::write(folder.join(name).with_extension("wat"), text).expect("a plugin");
    }
    // Free a moment ago; nobody else is about to take it.
    let address =
        TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let arguments = ["wasmplex", "serve", "--cache", "off", "--watch", "off", "--max-exchanges", "64"];
    let mut arguments: Vec<_> = arguments.map(Into::into).into();
    arguments.extend(["--log-level".into(), "error".into(), "--listen".into(), address.to_string().into()]);
    arguments.extend(["--plugins".into(), folder.into_os_string()]);
    thread::spawn(move || {
        let _ = wasmplex::cli::main_with(arguments);
        // It ends at a signal only.
        std::process::exit(0);
    });
    while TcpStream::connect(address).is_err() {
        thread::sleep(Duration::from_millis(10));
    }
    address
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| connection::property(*SERVER, data));
