//! `/a+b+c`: several plugins on one live stream, an instance each.

use crate::harness::*;

const ROUNDS: usize = 300;

#[test]
fn stages_run_in_order_on_a_live_stream() {
    let server = Server::of(&["rot13", "echo"]);
    let mut client = server.connect();
    client.send(request("POST", "/rot13+echo+rot13+rot13", &[CHUNKED]));
    assert_eq!(client.head().status, 200);
    client.rot13_in_lock_step(ROUNDS);
}

#[test]
fn a_stage_of_an_unknown_name_is_404_and_too_many_are_400() {
    let server = Server::of(&["rot13"]);
    for target in ["/rot13+nothing", "/+rot13", "/rot13+", "/+", "/rot13++rot13"] {
        server.get(target).is_error(404);
    }
    server.get("/rot13+rot13+rot13+rot13+rot13+rot13+rot13+rot13").is_clean(200, "");
    server.get("/rot13+rot13+rot13+rot13+rot13+rot13+rot13+rot13+rot13").is_error(400);
}

#[test]
fn bulk_through_stages_is_exact_and_bounded() {
    const LEN: usize = 16 * 1024 * 1024;
    let server = Server::of(&["rot13"]);
    server.settle();
    let before = server.memory_now();
    let mut client = server.connect();
    client.send(request("POST", "/rot13+rot13+rot13", &[&format!("Content-Length: {LEN}")]));
    assert_eq!(client.head().status, 200);
    let mut sender = client.sender();
    let sent = noise(7, LEN);
    let expected = rot13(&sent);
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut sender, &sent));
    let (received, ending) = client.rest();
    writer.join().expect("the writer").expect("all is sent");
    assert_eq!(ending, Ending::Clean);
    assert!(received == expected, "the bytes differ");
    assert!(server.memory_now() - before < 4 * 1024 * 1024, "memory grew beyond the bound");
}

#[test]
fn a_failure_in_any_stage_fails_the_whole() {
    let server = Server::of(&["rot13", "scripted"]);
    for route in ["/scripted+rot13", "/rot13+scripted"] {
        let target = |script: Script| script.target().replace("/scripted", route);
        let mark = server.log().mark();
        let mut client = server.connect();
        client.send(request("POST", &target(Script::new().chunk(quiet(Act::Trap))), &[CHUNKED]));
        assert_eq!(client.head().status, 200);
        client.send_chunk("abc");
        assert_ne!(client.rest().1, Ending::Clean);
        server.log().wait(mark, &["plugin failed", "plugin=\"scripted\"", "unreachable"]);
        server.post(&target(Script::new().open(quiet(Act::Reject))), b"abc").is_error(500);
        server.post(&target(Script::new().open(quiet(Act::Forbid))), b"abc").is_error(403);
    }
}

#[test]
fn an_early_finish_ends_the_whole_while_the_upload_runs() {
    let server = Server::of(&["rot13", "scripted"]);
    for route in ["/scripted+rot13", "/rot13+scripted"] {
        let target = Script::new().chunk(say(Act::Finish)).target().replace("/scripted", route);
        let mut client = server.connect();
        client.send(request("POST", &target, &[CHUNKED]));
        assert_eq!(client.head().status, 200);
        client.send_chunk("abc");
        let expected = if route.ends_with("rot13") { rot13(b"chunk;") } else { b"chunk;".to_vec() };
        assert_eq!(client.rest(), (expected, Ending::Clean));
    }
}

#[test]
fn a_stage_that_passes_lets_the_others_work() {
    let server = Server::of(&["rot13", "scripted"]);
    for route in ["/scripted+rot13", "/rot13+scripted"] {
        let target = Script::new().open(quiet(Act::Pass)).target().replace("/scripted", route);
        let mut client = server.connect();
        client.send(request("POST", &target, &[CHUNKED]));
        assert_eq!(client.head().status, 200);
        client.rot13_in_lock_step(ROUNDS);
    }
}

#[test]
fn a_client_that_leaves_ends_all_stages_and_every_stage_counts() {
    let server = Server::with(&["rot13", "scripted"], &["--max-exchanges", "3"]);
    let sleeps =
        Script::new().chunk(quiet(Act::SleepAnHour)).target().replace("/scripted", "/rot13+scripted");
    let mark = server.log().mark();
    let mut client = server.connect();
    client.send(request("POST", &sleeps, &[CHUNKED]));
    assert_eq!(client.head().status, 200);
    server.get("/rot13+rot13").is_error(503);
    server.get("/rot13").is_clean(200, "");
    client.send_chunk("abc");
    drop(client);
    server.log().wait(mark, &["exchange ended", "plugin=\"rot13+scripted\""]);
    server.get("/rot13+rot13+rot13").is_clean(200, "");
}

#[test]
fn run_takes_a_pipe_of_files_and_names() {
    let rot = fixture("rot13");
    let twice = format!("{0}+{0}", rot.display());
    let mut child = Process::spawn(&mut wasmplex(&["run", &twice]));
    for round in 0..20 {
        child.write(&letters(round));
        assert_eq!(child.stdout.exactly(letters(round).len()), letters(round));
    }
    assert_eq!(child.finish().code, Some(0));
}
