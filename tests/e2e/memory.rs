//! Memory budgets: of an instance, with its tables, and of all the stages of an exchange.

use crate::harness::*;

const PAGE: usize = 64 * KIB;

/// What the fixtures have at first.
const AT_FIRST: usize = 2 * PAGE;

#[test]
fn memory_ends_at_the_limit_and_the_plugin_is_told() {
    for (limit, flag, manifest) in [
        (2 * MIB, &["--memory", "2MiB"][..], None),
        (3 * MIB, &[], Some(r#"{"limits": {"memory": "3MiB"}}"#)),
        (MIB, &["--memory", "8MiB"], Some(r#"{"limits": {"memory": 1048576}}"#)),
        (8 * MIB, &["--memory", "1MiB"], Some(r#"{"limits": {"memory": "8MiB"}}"#)),
        (200 * MIB, &[], Some(r#"{"limits": {"memory": "200MiB"}}"#)),
    ] {
        let server = serving(&["grow_memory"], flag, manifest);
        let answer = server.post("/grow_memory", b"go");
        assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean));
        assert_eq!(number(&answer) * PAGE, limit);
    }
}

#[test]
fn tables_count_as_memory() {
    let wide = number(&serving(&["grow_table"], &[], None).post("/grow_table", b"go"));
    for flags in [&["--memory", "196608"][..], &["--memory", "160KiB"]] {
        let server = serving(&["grow_table"], flags, None);
        let answer = server.post("/grow_table", b"go");
        assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean));
        let elements = number(&answer);
        let limit = if flags[1] == "196608" { 192 * KIB } else { 160 * KIB };
        assert!(elements < wide, "{elements} of {wide}");
        assert!(AT_FIRST + elements * 8 <= limit, "{elements} elements");
        assert!(elements > 1, "the rest of the limit is there for them");
    }
}

#[test]
fn the_trap_behind_a_refused_growth_names_the_limit() {
    let server = serving(&["grow_or_trap", "rot13"], &["--memory", "3MiB"], None);
    let canary = Canary::start(&server);
    let mut client = server.open("/grow_or_trap");
    grows(&mut client, 2);
    client.send_chunk("more");
    let (body, ending) = client.rest();
    assert!(body.is_empty() && ending != Ending::Clean, "{ending:?}");
    server.log().wait(0, &["plugin failed", "grow_or_trap", "memory"]);
    let labels = [("plugin", "grow_or_trap"), ("reason", "memory")];
    server.metric_eventually("wasmplex_failures_total", &labels, 1.0);
    canary.sings(5);
    canary.stop();
}

#[test]
fn all_stages_of_an_exchange_share_its_memory() {
    for (flags, manifest) in [
        (&["--memory-per-exchange", "4MiB"][..], None),
        (&[], Some(r#"{"limits": {"memory_per_exchange": "4MiB"}}"#)),
    ] {
        let server = serving(&["grow_or_trap"], flags, manifest);
        // Alone it gets three.
        let mut alone = server.open("/grow_or_trap");
        grows(&mut alone, 3);
        // In two stages each chunk takes two; what is open beside it does not matter.
        let mut both = server.open("/grow_or_trap+grow_or_trap");
        grows(&mut both, 1);
        both.send_chunk("more");
        let (body, ending) = both.rest();
        assert!(body.is_empty() && ending != Ending::Clean, "{ending:?}");
        server.log().wait(0, &["plugin failed", "grow_or_trap", "memory_per_exchange"]);
        let labels = [("reason", "memory_per_exchange")];
        server.metric_eventually("wasmplex_failures_total", &labels, 1.0);
        alone.send_last_chunk();
        assert_eq!(alone.rest(), (vec![], Ending::Clean));
    }
}

#[test]
fn stages_that_do_not_fit_together_do_not_begin() {
    let server = serving(&["echo"], &["--memory-per-exchange", "200KiB"], None);
    let mut alone = server.open("/echo");
    // Both are there at once, since the first one still waits for its body.
    let mut both = server.connect();
    both.send(request("POST", "/echo+echo", &[CHUNKED]));
    both.answer().is_error(500);
    alone.send_last_chunk();
    assert_eq!(alone.rest(), (vec![], Ending::Clean));
    server.log().wait(0, &["plugin failed", "memory_per_exchange"]);
}

#[test]
fn what_an_exchange_held_is_free_for_the_next() {
    let flags = ["--memory", "3MiB", "--memory-per-exchange", "3MiB", "--max-exchanges", "2"];
    let server = serving(&["grow_memory"], &flags, None);
    let mut client = server.connect();
    for _ in 0..20 {
        client.send(request("POST", "/grow_memory", &["Content-Length: 2"]));
        let answer = client.exchange("go");
        assert_eq!(number(&answer) * PAGE, 3 * MIB);
    }
}

#[test]
fn the_memory_of_open_exchanges_is_told() {
    let server = serving(&["grow_or_trap"], &[], None);
    let mut client = server.open("/grow_or_trap");
    grows(&mut client, 3);
    let labels = [("plugin", "grow_or_trap")];
    let held = || server.metric("wasmplex_instance_memory_bytes", &labels);
    eventually("its memory", || (held() >= (3 * MIB) as f64).then_some(()));
    client.send_last_chunk();
    client.rest();
    eventually("nothing", || (held() == 0.0).then_some(()));
}

fn serving(plugins: &[&str], flags: &[&str], manifest: Option<&str>) -> Server {
    let folder = Folder::of(plugins);
    if let Some(manifest) = manifest {
        folder.write(&format!("{}.json", plugins[0]), manifest.as_bytes());
    }
    Server::serve(folder, &[ADMIN, flags].concat())
}

/// So many chunks, each answered with an "m".
#[track_caller]
fn grows(client: &mut Client, times: usize) {
    for _ in 0..times {
        client.send_chunk("more");
        client.expect("m");
    }
}

#[track_caller]
fn number(answer: &Answer) -> usize {
    let four = answer.body.first_chunk().expect("a number");
    u32::from_le_bytes(*four) as usize
}
