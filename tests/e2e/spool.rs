//! Clients that send everything before they read: what they send meanwhile is kept in a spool, in
//! bounds, and nothing of it is lost, moved or left behind.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::harness::*;

/// More than the sockets between the two can hold, in both directions together.
const LARGE: usize = 40 * MIB;

/// What the server may grow by, whatever it spools.
const GROWTH: usize = 4 * MIB;

/// Times so short that a client that never reads is given up soon: after half of the write timeout.
const SHORT: &[&str] = &["--write-timeout", "4s"];

#[test]
fn a_client_that_sends_all_before_it_reads_gets_its_answer() {
    let mut server = spooling(&["rot13"], FAR_LIMITS);
    server.post("/rot13", &noise(1, MIB)).is_clean(200, rot13(&noise(1, MIB)));
    let before = server.holds();
    for (number, framing) in [CHUNKED, &length(LARGE)].into_iter().enumerate() {
        let mut client = server.connect();
        client.send(request("POST", "/rot13", &[framing]));
        send_all(&mut client, framing == CHUNKED, LARGE);
        assert!(server.metric("wasmplex_spooled_bytes", &[]) > MIB as f64);
        let grown = server.memory_now().saturating_sub(before.memory);
        assert!(grown < GROWTH, "the server grew by {grown} bytes");
        assert_eq!(files(&server), 0, "the file has no name");
        client.head();
        is_whole(&mut client, LARGE, Blocks::new(5).rot13());
        assert_eq!(client.rest(), (vec![], Ending::Clean));
        assert_eq!(server.metric("wasmplex_spooled_exchanges_total", &[]), (number + 1) as f64);
        // The connection is in step.
        client.exchange([&request("POST", "/rot13", &["Content-Length: 5"]), &b"Hello"[..]].concat());
    }
    gives_all_back(&mut server, before);
}

#[test]
fn so_does_one_of_a_pipe() {
    let mut server = spooling(&["rot13", "echo"], FAR_LIMITS);
    server.post("/rot13+echo+rot13", &noise(1, MIB)).is_clean(200, noise(1, MIB));
    let before = server.holds();
    let mut client = server.connect();
    client.send(request("POST", "/rot13+echo+rot13", &[CHUNKED]));
    send_all(&mut client, true, LARGE);
    client.head();
    is_whole(&mut client, LARGE, Blocks::new(5));
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    assert_eq!(server.metric("wasmplex_spooled_exchanges_total", &[]), 1.0);
    drop(client);
    gives_all_back(&mut server, before);
}

#[test]
fn so_does_one_whose_plugin_passes_the_rest_through() {
    let server = spooling(&["scripted"], FAR_LIMITS);
    let script = Script::new().open(quiet(Act::Pass));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[&length(LARGE)]));
    send_all(&mut client, false, LARGE);
    client.head();
    is_whole(&mut client, LARGE, Blocks::new(5));
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn so_does_one_of_http_1_0() {
    let server = spooling(&["rot13"], FAR_LIMITS);
    let mut client = server.connect();
    client.send(format!("POST /rot13 HTTP/1.0\r\n{}\r\n\r\n", length(LARGE)));
    send_all(&mut client, false, LARGE);
    client.head();
    is_whole(&mut client, LARGE, Blocks::new(5).rot13());
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn so_does_one_that_took_the_connection_over() {
    let server = spooling(&["rot13"], FAR_LIMITS);
    let mut client = server.connect();
    client.send(request("GET", "/rot13", &["Connection: upgrade", "Upgrade: wasmplex"]));
    assert_eq!(client.head().status, 101);
    send_all(&mut client, false, LARGE);
    client.half_close();
    let answer = client.everything();
    assert_eq!(answer.len(), LARGE);
    let mut blocks = Blocks::new(5).rot13();
    for (number, block) in answer.chunks(MIB).enumerate() {
        assert!(block == blocks.block(number), "MiB number {number}");
    }
}

#[test]
fn pipelined_requests_stay_behind_a_spooled_body() {
    let server = spooling(&["rot13", "echo"], FAR_LIMITS);
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[CHUNKED]));
    send_all(&mut client, true, LARGE);
    client.send([&request("POST", "/echo", &["Content-Length: 5"]), &b"Hello"[..]].concat());
    client.send(request("GET", "/echo", &[]));
    client.head();
    is_whole(&mut client, LARGE, Blocks::new(5).rot13());
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    client.answer().is_clean(200, "Hello");
    client.answer().is_clean(200, "");
}

#[test]
fn what_is_malformed_or_missing_behind_spooled_bytes_is_a_cut_after_them() {
    let server = spooling(&["rot13"], FAR_LIMITS);
    for (end, reason) in [("xyz\r\n", "malformed chunk size"), ("5\r\nHel", "the body is incomplete")] {
        let mark = server.log().mark();
        let mut client = server.connect();
        client.send(request("POST", "/rot13", &[CHUNKED]));
        for number in 0..LARGE / MIB {
            client.send_chunk(Blocks::new(5).block(number));
        }
        client.send(end);
        client.half_close();
        client.head();
        is_whole(&mut client, LARGE, Blocks::new(5).rot13());
        let (rest, ending) = client.rest();
        assert!(b"Ury".starts_with(&rest), "{rest:?}");
        assert_ne!(ending, Ending::Clean);
        let line = server.log().wait(mark, &["exchange ended", "rot13"]);
        assert!(line.contains("outcome=\"cut\"") && line.contains(reason), "{line}");
    }
    server.metric_eventually("wasmplex_spooled_bytes", &[], 0.0);
}

#[test]
fn beyond_the_bound_it_is_cut_and_the_log_says_what_to_set() {
    let mut server = spooling(&["rot13"], &[SHORT, &["--spool", "1MiB"]].concat());
    let before = server.holds();
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[&length(LARGE)]));
    let mut sender = client.sender();
    let upload = thread::spawn(move || {
        let mut blocks = Blocks::new(5);
        (0..LARGE / MIB).all(|number| sender.write_all(blocks.block(number)).is_ok())
    });
    let exchange = client.head().field("wasmplex-exchange").expect("an id").to_owned();
    let line = server.log().wait(0, &["WARN", "exchange cut", "plugin=\"rot13\"", &exchange]);
    assert!(line.contains("1MiB (--spool)"), "{line}");
    let line = server.log().wait(0, &["exchange ended", &exchange]);
    assert!(line.contains("outcome=\"cut\"") && line.contains("--spool"), "{line}");
    assert!(!upload.join().expect("the upload ends"), "it cannot have sent all");
    assert_ne!(client.rest().1, Ending::Clean);
    assert_eq!(server.metric("wasmplex_spool_cuts_total", &[]), 1.0);
    drop(client);
    gives_all_back(&mut server, before);
}

/// The reader of a pipe is the client, wherever the bytes wait.
#[test]
fn so_it_is_in_a_pipe() {
    let server = spooling(&["rot13", "echo"], &[SHORT, &["--spool", "1MiB"]].concat());
    let mut client = server.connect();
    client.send(request("POST", "/rot13+echo+echo", &[&length(LARGE)]));
    let mut blocks = Blocks::new(5);
    let mut sender = client.sender();
    let has_sent = (0..LARGE / MIB).all(|number| sender.write_all(blocks.block(number)).is_ok());
    assert!(!has_sent, "it cannot have sent all");
    let line = server.log().wait(0, &["exchange cut", "plugin=\"rot13+echo+echo\""]);
    assert!(line.contains("(--spool)"), "{line}");
    server.is_idle();
}

#[test]
fn two_exchanges_share_the_room_of_the_host() {
    const BODY: usize = 24 * MIB;
    let flags = ["--max-spool", "24MiB", "--write-timeout", "10m"];
    let server = spooling(&["rot13"], &flags);
    let mut first = server.connect();
    first.send(request("POST", "/rot13", &[&length(BODY)]));
    send_all(&mut first, false, BODY);
    let mut second = server.connect();
    second.send(request("POST", "/rot13", &[&length(BODY)]));
    let mut sender = second.sender();
    let upload = thread::spawn(move || {
        let mut blocks = Blocks::new(5);
        (0..BODY / MIB).for_each(|number| sender.write_all(blocks.block(number)).expect("send"));
    });
    server.metric_eventually("wasmplex_spooled_bytes", &[], (24 * MIB) as f64);
    // What the first gives back, the second takes.
    for mut client in [first, second] {
        client.head();
        is_whole(&mut client, BODY, Blocks::new(5).rot13());
        assert_eq!(client.rest(), (vec![], Ending::Clean));
    }
    upload.join().expect("all is sent");
    server.metric_eventually("wasmplex_spooled_bytes", &[], 0.0);
    assert_eq!(server.metric("wasmplex_spool_cuts_total", &[]), 0.0);
}

#[test]
fn beyond_the_bound_of_the_host_it_is_cut_too() {
    let server = spooling(&["rot13"], &[SHORT, &["--max-spool", "1MiB"]].concat());
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[&length(LARGE)]));
    client.try_send(vec![0; LARGE]);
    let line = server.log().wait(0, &["exchange cut", "rot13"]);
    assert!(line.contains("1MiB (--max-spool)"), "{line}");
    server.metric_eventually("wasmplex_spooled_bytes", &[], 0.0);
}

/// A limit on the size of files stands for a disk that is full.
#[test]
fn a_file_that_cannot_grow_is_a_reason() {
    let folder = Folder::of(&["rot13"]);
    let spool = folder.folder("spool");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 2048 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_wasmplex")]);
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--cache", "off"]);
    command.args(SHORT).arg("--plugins").arg(folder.path()).arg("--spool-dir").arg(&spool);
    let server = Server::spawn(folder, &mut command);
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[&length(LARGE)]));
    client.try_send(vec![0; LARGE]);
    let line = server.log().wait(0, &["exchange cut", "rot13"]);
    assert!(line.contains("file too large (--spool-dir)"), "{line}");
    server.is_idle();
}

#[test]
fn off_is_back_pressure() {
    let server = Server::with(&["echo"], &[ADMIN, FAR_LIMITS, &["--spool", "0"]].concat());
    let mut client = server.connect();
    client.send(request("POST", "/echo", &[&length(LARGE)]));
    let mut sender = client.sender();
    let upload = thread::spawn(move || {
        let mut blocks = Blocks::new(5);
        (0..LARGE / MIB).for_each(|number| sender.write_all(blocks.block(number)).expect("send"));
    });
    server.settle();
    assert!(!upload.is_finished(), "{LARGE} bytes went somewhere");
    assert_eq!(server.metric("wasmplex_spooled_exchanges_total", &[]), 0.0);
    client.head();
    is_whole(&mut client, LARGE, Blocks::new(5));
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    upload.join().expect("the upload went through");
}

#[test]
fn a_folder_that_is_not_there_is_an_error_unless_it_is_off() {
    let folder = Folder::of(&["echo"]);
    let missing = folder.path().join("missing");
    let serve = |more: &[&str]| {
        let mut command = wasmplex(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(more).arg("--plugins").arg(folder.path()).arg("--spool-dir").arg(&missing);
        command
    };
    let finished = ran(&mut serve(&[]));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("missing (--spool-dir"), "{}", finished.stderr);
    for off in [["--spool", "0"], ["--max-spool", "0"]] {
        let server = Server::spawn(Folder::new(), &mut serve(&off));
        server.post("/echo", b"Hello").is_clean(200, "Hello");
    }
}

/// However slowly: what is slow here is fast beside the time that a client has to take something.
#[test]
fn a_client_that_reads_is_not_cut_when_its_spool_is_full() {
    let server = spooling(&["rot13"], &["--spool", "256KiB", "--write-timeout", "6s"]);
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[&length(LARGE)]));
    let mut sender = client.sender();
    let upload = thread::spawn(move || {
        let mut blocks = Blocks::new(5);
        (0..LARGE / MIB).for_each(|number| sender.write_all(blocks.block(number)).expect("send"));
    });
    client.head();
    let mut blocks = Blocks::new(5).rot13();
    for number in 0..LARGE / MIB {
        // That it takes longer than any client may take nothing is what is tested.
        thread::sleep(Duration::from_millis(170));
        assert!(client.read(MIB) == blocks.block(number), "MiB number {number}");
    }
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    upload.join().expect("all is sent");
}

#[test]
fn a_client_that_is_held_up_is_not_silent() {
    let server = spooling(&["rot13"], &[FAR_LIMITS, &["--body-timeout", "1s"]].concat());
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[&length(LARGE + 5)]));
    send_all(&mut client, false, LARGE);
    // More than the body's silence may last passes, while the answer waits.
    thread::sleep(Duration::from_secs(2));
    client.send("Hello");
    client.head();
    is_whole(&mut client, LARGE, Blocks::new(5).rot13());
    assert_eq!(client.rest(), (b"Uryyb".to_vec(), Ending::Clean));
}

#[test]
fn a_client_that_vanishes_leaves_nothing() {
    let mut server = spooling(&["rot13"], FAR_LIMITS);
    server.get("/rot13").is_clean(200, "");
    let before = server.holds();
    for _ in 0..3 {
        let mut client = server.connect();
        client.send(request("POST", "/rot13", &[&length(2 * LARGE)]));
        send_all(&mut client, false, LARGE);
        // With what it has not read: this is a reset.
        drop(client);
    }
    gives_all_back(&mut server, before);
}

#[test]
fn a_plugin_that_fails_leaves_nothing() {
    let mut server = spooling(&["counter"], FAR_LIMITS);
    server.get("/counter?1").is_clean(200, (0..8192_u64).flat_map(u64::to_le_bytes).collect::<Vec<u8>>());
    let before = server.holds();
    let mut client = server.connect();
    client.send(request("POST", "/counter?256!", &[&length(LARGE)]));
    send_all(&mut client, false, LARGE);
    let (body, ending) = {
        client.head();
        client.rest()
    };
    assert_eq!(body.len(), 16 * MIB);
    assert_ne!(ending, Ending::Clean);
    drop(client);
    gives_all_back(&mut server, before);
}

#[test]
fn what_is_spooled_behind_an_early_finish_is_dropped_and_the_next_request_is_not() {
    let server = spooling(&["counter", "echo"], FAR_LIMITS);
    for route in ["/counter?256", "/counter+echo?256"] {
        let mut client = server.connect();
        client.send(request("POST", route, &[&length(LARGE)]));
        send_all(&mut client, false, LARGE);
        client.send([&request("POST", "/echo", &["Content-Length: 5"]), &b"Hello"[..]].concat());
        // All of the body is taken: what is not then is in the way of the next request.
        server.settle();
        client.head();
        let (body, ending) = client.rest();
        assert_eq!((body.len(), ending), (16 * MIB, Ending::Clean), "{route}");
        client.answer().is_clean(200, "Hello");
    }
    server.metric_eventually("wasmplex_spooled_bytes", &[], 0.0);
}

#[test]
fn a_server_that_drains_delivers_what_is_spooled() {
    let mut server = spooling(&["rot13"], FAR_LIMITS);
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[&length(LARGE)]));
    send_all(&mut client, false, LARGE);
    server.signal("TERM");
    server.wait_until_closed();
    client.head();
    is_whole(&mut client, LARGE, Blocks::new(5).rot13());
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    drop(client);
    assert_eq!(server.wait_for_exit().code(), Some(0));
}

/// A server with an admin listener and a folder of its own for spools.
#[track_caller]
fn spooling(plugins: &[&str], flags: &[&str]) -> Server {
    let folder = Folder::of(plugins);
    let spool = folder.folder("spool");
    let spool = spool.to_str().expect("a path of letters");
    Server::serve(folder, &[ADMIN, flags, &["--spool-dir", spool]].concat())
}

/// Sends numbered blocks of 1 MiB without reading: a body of so many bytes, or what follows next.
#[track_caller]
fn send_all(client: &mut Client, is_chunked: bool, len: usize) {
    let mut blocks = Blocks::new(5);
    for number in 0..len / MIB {
        let block = blocks.block(number);
        if is_chunked { client.send_chunk(block) } else { client.send(block) }
    }
    if is_chunked {
        client.send_last_chunk();
    }
}

/// Reads so many bytes of the body, and compares them with these blocks.
#[track_caller]
fn is_whole(client: &mut Client, len: usize, mut blocks: Blocks) {
    for number in 0..len / MIB {
        assert!(client.read(MIB) == blocks.block(number), "MiB number {number} is not what is due");
    }
}

#[track_caller]
fn length(len: usize) -> String {
    format!("Content-Length: {len}")
}

/// Files in the folder for spools.
fn files(server: &Server) -> usize {
    fs::read_dir(server.folder().path().join("spool")).expect("the folder for spools").count()
}

/// No connection is open and nothing is spooled, and there are as many descriptors as before.
#[track_caller]
fn gives_all_back(server: &mut Server, before: Held) {
    server.metric_eventually("wasmplex_spooled_bytes", &[], 0.0);
    server.is_idle();
    assert_eq!(files(server), 0);
    eventually("descriptors to be closed", || {
        (server.holds().descriptors <= before.descriptors).then_some(())
    });
}
