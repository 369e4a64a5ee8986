//! Files that change while the server runs.

use std::fs;
use std::os::unix::fs::symlink;

use rustls::version::{TLS12, TLS13};

use super::serve;
use crate::harness::*;

/// The certificate that a new connection is shown.
fn shown(server: &Server, trust: &Trust) -> Vec<u8> {
    let mut client = Client::secure(server.address(), trust);
    let chain = client.tls().conn.peer_certificates().expect("a chain");
    chain.first().expect("a certificate").as_ref().to_vec()
}

/// Waits until new connections are shown another certificate than `old`.
fn wait_for_another(server: &Server, trust: &Trust, old: &[u8]) -> Vec<u8> {
    eventually("the new certificate", || {
        let now = shown(server, trust);
        (now != old).then_some(now)
    })
}

#[test]
fn new_connections_get_the_new_certificate_and_old_ones_live_on() {
    let (server, authority) = serve(&["rot13"], &[]);
    for version in [&TLS12, &TLS13] {
        let trust = authority.trust(&[version], None);
        let old = shown(&server, &trust);
        let mut open = Client::secure(server.address(), &trust);
        open.send(request("POST", "/rot13", &[CHUNKED]));
        open.head();
        let renewed = authority.issue(HOST);
        authority.install(&renewed);
        assert_eq!(wait_for_another(&server, &trust, &old), renewed.der());
        open.rot13_in_lock_step(5);
    }
}

#[test]
fn a_bad_pair_keeps_the_last_good_one_and_is_told_once() {
    let (server, authority) = serve(&["show"], &[]);
    let trust = authority.trust(&[&TLS13], None);
    let good = shown(&server, &trust);
    let told = &["tls files cannot be used"];
    let (renewed, other) = (authority.issue(HOST), authority.issue(HOST));
    for (name, text, reason) in [
        ("cert.pem", other.cert.as_str(), "does not belong"),
        ("cert.pem", "", "no certificate"),
        ("key.pem", "", "no certificate"),
    ] {
        let mark = server.log().mark();
        authority.folder().install(name, text.as_bytes());
        server.log().wait(mark, &[told[0], reason]);
        assert_eq!(shown(&server, &trust), good);
        assert_eq!(server.log().count(mark, told), 1);
    }
    let mark = server.log().mark();
    fs::remove_file(authority.file("cert.pem")).expect("remove");
    server.log().wait(mark, &[told[0], "no such file"]);
    assert_eq!(shown(&server, &trust), good);
    authority.install(&renewed);
    assert_eq!(wait_for_another(&server, &trust, &good), renewed.der());
    // Both looks before the good pair was whole at the most.
    assert!(server.log().count(mark, told) <= 2);
}

/// As Kubernetes puts a secret there: the files are links through one link, which is renamed over.
#[test]
fn a_link_to_another_folder() {
    let authority = Authority::new();
    let folder = authority.folder().path();
    let put = |name: &str, pair: &Certified| {
        fs::create_dir(folder.join(name)).expect("a folder");
        fs::write(folder.join(name).join("tls.crt"), &pair.cert).expect("write");
        fs::write(folder.join(name).join("tls.key"), &pair.key).expect("write");
        symlink(name, folder.join("..data_tmp")).expect("a link");
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("rename");
    };
    put("..1", &authority.issue(HOST));
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), folder.join(name)).expect("a link");
    }
    let flags = pair_flags(&authority.file("tls.crt"), &authority.file("tls.key"));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = Server::with(&["show"], &flags);
    let trust = authority.trust(&[&TLS13], None);
    let old = shown(&server, &trust);
    let renewed = authority.issue(HOST);
    put("..2", &renewed);
    fs::remove_dir_all(folder.join("..1")).expect("remove");
    assert_eq!(wait_for_another(&server, &trust, &old), renewed.der());
}

#[test]
fn a_hangup_reads_the_files_at_once() {
    let (server, authority) = serve(&["show"], &[]);
    let trust = authority.trust(&[&TLS13], None);
    let read = &["tls certificate read"];
    for _ in 0..2 {
        // Nothing has changed, and they are read all the same.
        let mark = server.log().mark();
        server.signal("HUP");
        server.log().wait(mark, read);
    }
    let old = shown(&server, &trust);
    let renewed = authority.issue(HOST);
    authority.install(&renewed);
    server.signal("HUP");
    assert_eq!(wait_for_another(&server, &trust, &old), renewed.der());
}
