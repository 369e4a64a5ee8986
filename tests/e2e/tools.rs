//! Clients that people really use: curl and Python.

use std::path::Path;

use crate::harness::*;

const ROUNDS: usize = 1000;

#[test]
fn a_thousand_rounds_through_curl() {
    let Some(mut curl) = command("curl") else {
        return;
    };
    let server = Server::of(&["rot13"]);
    let mut curl = Process::spawn(curl.args(["-sN", "-T", ".", &server.url("/rot13")]));
    for round in 0..ROUNDS {
        let line = letters(round);
        curl.write(&line);
        assert_eq!(curl.stdout.exactly(line.len()), rot13(&line));
    }
    let finished = curl.finish();
    assert_eq!((finished.code, finished.stdout), (Some(0), vec![]));
}

#[test]
fn curl_expects_100_continue() {
    let Some(mut curl) = command("curl") else {
        return;
    };
    let server = Server::of(&["rot13"]);
    let expect = "Expect: 100-continue";
    let url = server.url("/rot13");
    let arguments = ["-sSiN", "--expect100-timeout", "600", "-H", expect];
    let curl = curl.args(arguments).args(["-d", "Hello", &url]);
    let finished = ran(curl);
    let said = String::from_utf8_lossy(&finished.stdout).into_owned();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(said.starts_with("HTTP/1.1 100 "), "{said}");
    assert!(said.ends_with("Uryyb"), "{said}");
}

#[test]
fn curl_sees_that_an_answer_was_cut() {
    let Some(mut curl) = command("curl") else {
        return;
    };
    let server = Server::of(&["scripted"]);
    let script = Script::new().chunk(say(Act::Trap));
    let url = server.url(&script.target());
    let finished = ran(curl.args(["-sSN", "-d", "a body", &url]));
    assert_eq!(finished.stdout, b"chunk;");
    assert!(matches!(finished.code, Some(18 | 56)), "{}", finished.stderr);
}

#[test]
fn curl_over_a_unix_socket() {
    let Some(mut curl) = command("curl") else {
        return;
    };
    let folder = Folder::of(&["rot13"]);
    let socket = folder.path().join("w.sock");
    let mut serve = wasmplex(&["serve", "--listen"]);
    serve.arg(format!("unix:{}", socket.display())).arg("--plugins").arg(folder.path());
    let _server = Server::spawn(folder, &mut serve);
    curl.args(["-sN", "-T", ".", "--unix-socket"]).arg(&socket).arg("http://localhost/rot13");
    let mut curl = Process::spawn(&mut curl);
    for round in 0..ROUNDS {
        let line = letters(round);
        curl.write(&line);
        assert_eq!(curl.stdout.exactly(line.len()), rot13(&line));
    }
    let finished = curl.finish();
    assert_eq!((finished.code, finished.stdout), (Some(0), vec![]));
}

#[test]
fn python_that_sends_everything_before_it_reads() {
    /// More than the socket buffers of both sides and both directions hold.
    const SIZE: usize = 48 * MIB;
    let server = Server::of(&["rot13"]);
    let folder = Folder::new();
    let mut blocks = Blocks::new(7);
    let body: Vec<u8> = (0..SIZE / MIB).flat_map(|number| blocks.block(number).to_vec()).collect();
    let sent = folder.write("body", &body);
    let expected = rot13(&body);
    for library in ["http.client", "urllib"] {
        let Some(mut python) = command("python3") else {
            return;
        };
        let answer = folder.path().join("answer");
        let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients/client.py");
        python.arg(client).args([library, "bulk", &server.url("/rot13")]).arg(&sent).arg(&answer);
        let finished = ran(&mut python);
        assert_eq!(finished.code, Some(0), "{library}: {}", finished.stderr);
        let answer = std::fs::read(&answer).expect("the answer");
        assert!(answer == expected, "{library}: not the rot13 of what was sent");
    }
}

#[test]
fn pythons_http_client() {
    in_python("http_client");
}

#[test]
fn a_python_socket() {
    in_python("socket");
}

/// Runs lockstep.py, which says "ok" and the number of rounds at its end.
fn in_python(way: &str) {
    let Some(mut python) = command("python3") else {
        return;
    };
    let server = Server::of(&["rot13"]);
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    let port = server.address().port().to_string();
    python.arg(host.join("../tests/e2e/lockstep.py")).args([way, &port, &ROUNDS.to_string()]);
    let finished = ran(&mut python);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let said = String::from_utf8_lossy(&finished.stdout).into_owned();
    assert_eq!(said.trim(), format!("ok {ROUNDS}"));
}
