//! Programs of all sorts and clients of all sorts, at random and side by side: nothing of them is left.

use std::io::Read;
use std::thread;

use crate::harness::*;

const CLIENTS: usize = 8;
const EXCHANGES: usize = 30;

#[test]
fn nothing_is_left_of_a_storm() {
    let seed = seed();
    let mut server = serving();
    let names = ["echo", "bytewise", "early", "failing", "trapping", "ticking", "asking", "flood", "endless"];
    // Once each, so that what they keep for the next is there.
    storm(&server, &names, seed);
    server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
    server.is_idle();
    let before = server.holds();
    let canary = Canary::start(&server);
    storm(&server, &names, seed + 1);
    canary.sings(5);
    canary.stop();
    server.metric_eventually("wasmplex_exchanges_open", &[], 0.0);
    server.is_idle();
    let after = server.holds();
    assert!(after.descriptors <= before.descriptors + 2, "{before:?}, then {after:?}");
    assert!(after.memory < before.memory + 8 * MIB, "{before:?}, then {after:?}");
    assert!(after.mappings < before.mappings + 200, "{before:?}, then {after:?}");
    assert_eq!(server.log().count(0, &["panicked"]), 0);
    server.open("/rot13").rot13_in_lock_step(20);
}

fn storm(server: &Server, names: &[&str], seed: u64) {
    let address = server.address();
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            scope.spawn(move || {
                let mut random = Random::new(seed.wrapping_add(1 + number as u64 * 7919));
                for _ in 0..EXCHANGES {
                    exchange(Client::connect(address), &mut random, names);
                }
            });
        }
    });
}

/// One client, that goes as it likes.
fn exchange(mut client: Client, random: &mut Random, names: &[&str]) {
    let mut target = format!("/{}", random.pick(names));
    if random.below(3) == 0 {
        target = format!("{target}+{}", random.pick(names));
    }
    client.send(request("POST", &target, &[CHUNKED, "Connection: close"]));
    for _ in 0..random.below(6) {
        let len = 1 + random.below(20_000);
        client.try_send(wire_chunk(noise(random.next(), len)));
    }
    match random.below(5) {
        // Goes away in the middle, with whatever is unread.
        0 => drop(client),
        1 => client.shut(),
        2 => client.half_close(),
        // Reads what comes first.
        3 => reads(&client, 1),
        // Ends properly, and reads on for a while; some answers have no end.
        _ => {
            client.try_send(LAST_CHUNK);
            reads(&client, random.below(10));
        }
    }
}

/// Reads so many times, if there is so much.
fn reads(client: &Client, times: usize) {
    let mut piece = [0; 16 * KIB];
    let mut stream = client.sender();
    for _ in 0..times {
        if stream.read(&mut piece).unwrap_or(0) == 0 {
            return;
        }
    }
}

fn serving() -> Server {
    let page = "(call $write (i32.const 1) (i32.const 65536) (i32.const 65536))";
    let folder = Folder::of(&["rot13"]);
    for (name, program) in [
        ("echo", Program::new().echo()),
        ("bytewise", Program::new().echo_by(1)),
        ("early", Program::new().answer(100).say("enough")),
        ("failing", Program::new().answer(100).complain("no\n").exit(3)),
        ("trapping", Program::new().answer(100).trap()),
        ("ticking", Program::new().for_ever(|each| each.say("tick;").sleep(1))),
        (
            "asking",
            Program::new().for_ever(|each| {
                each.wat("(drop (call $input_within (i64.const 2)))")
                    .wat("(if (i32.eqz (call $answer (i32.const 999))) (then (return)))")
            }),
        ),
        ("flood", Program::new().for_ever(|each| each.wat(page))),
        ("endless", Program::new().say("begun").spin()),
    ] {
        folder.program(name, &program);
    }
    Server::serve(folder, &[ADMIN, &["--cpu-per-call", "50ms", "--write-timeout", "2s"]].concat())
}
