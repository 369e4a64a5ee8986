//! Rule 2: what a plugin emits is on its way before the host waits, and while the plugin computes.
//!
//! All limits are far away here: if the bytes arrive at all, they arrived during the call.

use crate::harness::*;

#[test]
fn bytes_emitted_before_an_endless_computation_arrive_during_it() {
    for act in [Act::Loop, Act::SleepAnHour] {
        let server = Server::with(&["scripted"], FAR_LIMITS);
        for (script, body) in [
            (Script::new().open(say(act)), "open;"),
            (Script::new().chunk(say(act)), "chunk;"),
            (Script::new().end(say(act)), "end;"),
        ] {
            let mut client = server.connect();
            client.send(request("POST", &script.target(), &[CHUNKED]));
            client.send_chunk("a body");
            client.send_last_chunk();
            assert_eq!(client.head().status, 200);
            client.expect(body);
        }
    }
}

#[test]
fn bytes_emitted_in_a_timer_arrive_before_the_next_wait() {
    let server = Server::with(&["scripted"], FAR_LIMITS);
    let script = Script::new().open(say(Act::SetTimer)).timer(say(Act::SetTimerInAnHour));
    let mut client = server.connect();
    client.send(request("POST", &script.target(), &[CHUNKED]));
    client.head();
    client.expect("open;timer;");
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}
