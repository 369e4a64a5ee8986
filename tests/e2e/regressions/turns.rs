//! Who comes next.

use crate::harness::*;

/// The timer always came before input. A plugin that takes longer over its timer than the timer
/// takes to fire again heard nothing else any more.
#[test]
fn a_timer_that_is_always_due_does_not_starve_the_input() {
    let server = Server::of(&["busy_timer"]);
    let mut client = server.connect();
    client.send(request("POST", "/busy_timer", &[CHUNKED]));
    client.head();
    for round in 0..20 {
        // From one timer straight to the next.
        for _ in 0..5 {
            client.expect(".");
        }
        client.send_chunk("x");
        let mut timers = 0;
        while client.read(1) == b"." {
            timers += 1;
            assert!(timers < 100, "round {round}: only timers");
        }
    }
    client.send_last_chunk();
    let (beats, ending) = client.rest();
    assert!(beats.iter().all(|byte| *byte == b'.'), "each chunk came once");
    assert_eq!(ending, Ending::Clean);
}
