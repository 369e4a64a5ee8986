//! Flags and files that do not do, at the start.

use crate::harness::*;

/// What a server that is given these flags says before it ends.
fn refused(flags: &[String], code: i32) -> String {
    let folder = Folder::new();
    let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0", "--plugins"]);
    command.arg(folder.path()).args(flags);
    let finished = Process::spawn(&mut command).finish();
    assert_eq!(finished.code, Some(code), "{}", finished.stderr);
    assert!(finished.stdout.is_empty(), "nothing was served");
    finished.stderr
}

#[test]
fn one_without_the_other_is_wrong_usage() {
    for (flag, missing) in
        [("--tls-cert", "--tls-key"), ("--tls-key", "--tls-cert"), ("--tls-client-ca", "--tls-cert")]
    {
        let said = refused(&[flag.to_owned(), "x.pem".to_owned()], 2);
        assert!(said.contains(missing), "{said}");
    }
    let auth = ["--tls-client-auth", "optional"].map(str::to_owned);
    let authority = Authority::new();
    let mut flags = authority.flags(&[]);
    flags.extend(auth);
    let said = refused(&flags, 2);
    assert!(said.contains("--tls-client-ca"), "{said}");
}

#[test]
fn addresses_that_take_a_certificate() {
    for flags in [["--listen", "https://127.0.0.1:0"], ["--tcp", "tls://127.0.0.1:0=echo"]] {
        let said = refused(&flags.map(str::to_owned), 2);
        assert!(said.contains("--tls-cert") && said.contains("--tls-key"), "{said}");
        assert!(said.contains(flags[0]), "{said}");
    }
}

#[test]
fn the_environment_counts_as_flags_do() {
    let folder = Folder::new();
    let mut command = wasmplex(&["serve", "--plugins"]);
    command.arg(folder.path()).env("WASMPLEX_TLS_CERT", "x.pem");
    let finished = Process::spawn(&mut command).finish();
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    assert!(finished.stderr.contains("--tls-key"), "{}", finished.stderr);
}

#[test]
fn files_that_do_not_do_are_named_with_the_reason() {
    let authority = Authority::new();
    let [good, other] = [HOST, "other.test"].map(|name| authority.issue(name));
    let write = |name: &str, text: &str| authority.folder().write(name, text.as_bytes());
    let cert = write("good-cert.pem", &good.cert);
    let key = write("good-key.pem", &good.key);
    let torn = &good.cert[..good.cert.len() - 40];
    let encrypted = good.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let old =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let nonsense = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let no_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let missing = authority.file("missing.pem");
    let directory = authority.folder().path().to_owned();
    for (cert, key, file, reason) in [
        (&missing, &key, "missing.pem", "No such file"),
        (&directory, &key, directory.to_str().expect("UTF-8"), "not a regular file"),
        (&cert, &missing, "missing.pem", "No such file"),
        (&key, &key, "good-key.pem", "there is no certificate in"),
        (&cert, &cert, "good-cert.pem", "there is no private key in"),
        (&write("empty.pem", ""), &key, "empty.pem", "there is no certificate in"),
        (&write("torn.pem", torn), &key, "torn.pem", "written in full"),
        (&write("no-der.pem", no_der), &key, "no-der.pem", "the first certificate in"),
        (&cert, &write("empty-key.pem", ""), "empty-key.pem", "there is no private key in"),
        (&cert, &write("other-key.pem", &other.key), "other-key.pem", "does not belong to"),
        (&cert, &write("encrypted.pem", &encrypted), "encrypted.pem", "without a passphrase"),
        (&cert, &write("old.pem", old), "old.pem", "without a passphrase"),
        (&cert, &write("nonsense.pem", nonsense), "nonsense.pem", "cannot be used"),
    ] {
        let said = refused(&pair_flags(cert, key), 1);
        assert!(said.contains(file) && said.contains(reason), "{reason} of {file}: {said}");
    }
    let mut flags = pair_flags(&cert, &key);
    flags.extend(["--tls-client-ca".to_owned(), key.to_str().expect("UTF-8").to_owned()]);
    let said = refused(&flags, 1);
    assert!(said.contains("good-key.pem") && said.contains("there is no certificate in"), "{said}");
}

#[test]
fn one_file_may_hold_both() {
    let authority = Authority::new();
    let pair = authority.issue(HOST);
    let both = authority.folder().write("both.pem", format!("{}{}", pair.key, pair.cert).as_bytes());
    let flags = pair_flags(&both, &both);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let server = Server::with(&["show"], &flags);
    let trust = authority.trust(rustls::ALL_VERSIONS, None);
    let answer = Client::secure(server.address(), &trust).exchange(request("GET", "/show?:path", &[]));
    assert_eq!(answer.head.status, 200);
}

#[test]
fn some_listeners_with_and_some_without() {
    let authority = Authority::new();
    let flags = authority.flags(&["--listen", "http://127.0.0.1:0"]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut server = Server::with(&["show"], &flags);
    let plain = server.next_listener("http");
    let trust = authority.trust(rustls::ALL_VERSIONS, None);
    let get = request("GET", "/show?:path", &[]);
    assert_eq!(Client::secure(server.address(), &trust).exchange(&get).head.status, 200);
    assert_eq!(Client::connect(plain).exchange(&get).head.status, 200);
}
