//! What a client does on its connection before it leaves, and how it leaves.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::Town;
use crate::harness::*;

/// What becomes of a body.
type Change = fn(&[u8]) -> Vec<u8>;

/// A route, and what is known of its answers.
pub struct Place {
    target: String,
    stages: usize,
    /// What becomes of a body, where the answer comes to a proper end.
    change: Option<Change>,
    /// It answers before it has seen the body's end.
    streams: bool,
}

/// A connection that is left as it is; it goes when this value does.
pub struct Left {
    stream: TcpStream,
    manner: Manner,
}

/// How a connection goes.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Manner {
    /// FIN, or RST from the system if something was not read.
    Close,
    /// RST, and what was not sent is thrown away.
    Reset,
    /// FIN both ways first.
    Shutdown,
}

type Visit = fn(&Town, &Place, TcpStream, &mut Random) -> TcpStream;

/// What clients do, each as often as the others.
const VISITS: [Visit; KINDS] = [
    say_nothing,
    leave_in_the_head,
    leave_in_the_body,
    leave_in_the_body,
    leave_while_it_streams,
    leave_while_it_streams,
    half_close_in_the_body,
    have_answers,
    have_answers,
    pipeline,
    never_read,
];

pub const KINDS: usize = 11;

/// The longest body of a request.
const MAX_BODY: usize = 10_000;

/// What a client that never reads sends at the most.
const MAX_UNREAD: usize = 512 * KIB;

/// All plugins that are visited.
pub fn plugins() -> Folder {
    let folder = Folder::of(&["rot13", "scripted", "counter"]);
    let scripted = std::fs::read(fixture("scripted")).expect("a fixture");
    folder.write("spin.wat", &scripted);
    // Those that stay and watch it spin must not keep all others waiting.
    folder.write("spin.json", br#"{"limits": {"cpu_per_call": "3ms"}}"#);
    folder.program("program", &Program::new().sleep(1).echo());
    folder
}

pub fn places() -> Vec<Place> {
    let place = |target: &str, stages, change: Option<Change>, streams| Place {
        target: target.to_owned(),
        stages,
        change,
        streams,
    };
    let same: Change = <[u8]>::to_vec;
    let turned: Change = |bytes| rot13(bytes);
    let script = |script: Script, streams| place(&script.target(), 1, None, streams);
    let spin = Script::new().chunk(say(Act::Loop)).target().replace("scripted", "spin");
    vec![
        place("/rot13", 1, Some(turned), true),
        place("/rot13", 1, Some(turned), true),
        place("/program", 1, Some(same), true),
        place("/rot13+rot13", 2, Some(same), true),
        place("/rot13+program+rot13", 3, Some(same), true),
        place("/counter", 1, None, true),
        place("/counter?40", 1, None, true),
        place(&spin, 1, None, true),
        script(Script::new().open(say(Act::SleepAnHour)), true),
        script(Script::new().open(say(Act::SetTimerInAnHour)), true),
        script(Script::new().open(quiet(Act::SetTimer)).timer(say(Act::SetTimer)), true),
        script(Script::new().chunk(say(Act::Trap)), true),
        script(Script::new().open(quiet(Act::Trap)), true),
        script(Script::new().open(say(Act::Finish)), true),
        script(Script::new().end(quiet(Act::SleepAnHour)), false),
        script(Script::new().open(quiet(Act::Hold)), false),
    ]
}

/// One connection, from its beginning to where the client stops.
pub fn visit(town: &Town, address: SocketAddr, random: &mut Random) -> Left {
    let stream = connect(address, random);
    town.connections.fetch_add(1, Ordering::Relaxed);
    let place = random.pick(&town.places);
    let kind = random.below(KINDS);
    town.visits[kind].fetch_add(1, Ordering::Relaxed);
    let stream = VISITS[kind](town, place, stream, random);
    let manner = *random.pick(&[Manner::Close, Manner::Reset, Manner::Shutdown]);
    Left { stream, manner }
}

/// Connects from one of several addresses: those who close first keep their ports for a minute.
fn connect(address: SocketAddr, random: &mut Random) -> TcpStream {
    const SOURCES: usize = 8;
    let source = Ipv4Addr::new(127, 0, 0, 2 + random.below(SOURCES) as u8);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((source, 0)).into()).expect("bind to an address of loopback");
    socket.connect(&address.into()).expect("connect");
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).expect("set nodelay");
    stream.set_read_timeout(Some(DEADLINE)).expect("set a deadline");
    stream.set_write_timeout(Some(DEADLINE)).expect("set a deadline");
    stream
}

impl Drop for Left {
    fn drop(&mut self) {
        match self.manner {
            Manner::Close => {}
            Manner::Reset => {
                SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("set linger");
            }
            // The server may have closed before.
            Manner::Shutdown => drop(self.stream.shutdown(Shutdown::Both)),
        }
    }
}

/// Before the first byte.
fn say_nothing(_: &Town, _: &Place, stream: TcpStream, _: &mut Random) -> TcpStream {
    stream
}

/// Not even a request.
fn leave_in_the_head(_: &Town, place: &Place, mut stream: TcpStream, random: &mut Random) -> TcpStream {
    let (head, _) = place.request(random);
    let end = 1 + random.below(head.len() - 1);
    stream.write_all(&head[..end]).expect("send a piece of a head");
    stream
}

/// A whole head, and a piece of the body or all of it.
fn leave_in_the_body(town: &Town, place: &Place, mut stream: TcpStream, random: &mut Random) -> TcpStream {
    town.sent.fetch_add(place.stages, Ordering::Relaxed);
    send_in_part(place, &mut stream, random);
    stream
}

/// The same, with the beginning of the answer read: so the exchange was there.
fn leave_while_it_streams(
    town: &Town,
    place: &Place,
    mut stream: TcpStream,
    random: &mut Random,
) -> TcpStream {
    if !place.streams {
        return leave_in_the_body(town, place, stream, random);
    }
    town.begun.fetch_add(place.stages, Ordering::Relaxed);
    send_in_part(place, &mut stream, random);
    let mut piece = vec![0; 1 + random.below(8 * KIB)];
    let read = stream.read(&mut piece).expect("the beginning of an answer");
    assert!(piece[..read].starts_with(&b"HTTP/1.1 "[..read.min(9)]), "{:?}", piece[..read].escape_ascii());
    stream
}

/// The request's end is the end of all that is sent, and sometimes all is read that comes.
fn half_close_in_the_body(
    town: &Town,
    place: &Place,
    mut stream: TcpStream,
    random: &mut Random,
) -> TcpStream {
    town.sent.fetch_add(place.stages, Ordering::Relaxed);
    let was_whole = send_in_part(place, &mut stream, random);
    let is_deaf = place.change.is_none();
    if stream.shutdown(Shutdown::Write).is_err() || was_whole || is_deaf || random.below(2) == 0 {
        return stream;
    }
    let mut client = Client::over(stream);
    let socket = client.sender();
    let everything = client.everything();
    // A plugin that hears its body to the end has no proper end now.
    assert!(!everything.ends_with(LAST_CHUNK), "{:?}", everything.escape_ascii().to_string());
    socket
}

/// Some exchanges, one after the other; then it is an idle connection.
fn have_answers(town: &Town, place: &Place, stream: TcpStream, random: &mut Random) -> TcpStream {
    let Some(change) = place.change else {
        return leave_in_the_body(town, place, stream, random);
    };
    let mut client = Client::over(stream);
    for _ in 0..1 + random.below(3) {
        let (head, body) = place.request(random);
        client.send([head, wire_chunk(&body), LAST_CHUNK.to_vec()].concat());
        let answer = client.answer();
        assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean), "{}", place.target);
        assert!(answer.body == change(&body), "{}: not what it should be", place.target);
        town.begun.fetch_add(place.stages, Ordering::Relaxed);
        town.answered.fetch_add(place.stages, Ordering::Relaxed);
    }
    client.sender()
}

/// Requests without waiting for answers, the last one perhaps in part.
fn pipeline(town: &Town, place: &Place, mut stream: TcpStream, random: &mut Random) -> TcpStream {
    let mut requests = Vec::new();
    for _ in 0..2 + random.below(12) {
        requests.extend(request("GET", &place.target, &[]));
        town.sent.fetch_add(place.stages, Ordering::Relaxed);
    }
    let end = requests.len() - random.below(20);
    send(&mut stream, &requests[..end]);
    stream
}

/// Sends, reads nothing, and stays for as long as it is let.
fn never_read(town: &Town, place: &Place, mut stream: TcpStream, random: &mut Random) -> TcpStream {
    town.sent.fetch_add(place.stages, Ordering::Relaxed);
    let (head, _) = place.request(random);
    send(&mut stream, &head);
    stream.set_nonblocking(true).expect("set nonblocking");
    let chunk = wire_chunk(noise(random.next(), MAX_BODY));
    let most = random.below(MAX_UNREAD);
    let mut sent = 0;
    while sent < most {
        match stream.write(&chunk) {
            // The rest of this chunk will not come.
            Ok(length) if length < chunk.len() => break,
            Ok(length) => sent += length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            // The server is done with it.
            Err(_) => break,
        }
    }
    stream
}

/// Sends a head and a piece of the body. Whether that was all of it.
fn send_in_part(place: &Place, stream: &mut TcpStream, random: &mut Random) -> bool {
    let (head, body) = place.request(random);
    let wire = [wire_chunk(&body), LAST_CHUNK.to_vec()].concat();
    let end = if random.below(4) == 0 { wire.len() } else { random.below(wire.len()) };
    send(stream, &[&head, &wire[..end]].concat());
    end == wire.len()
}

/// Sends all that the server takes: where a plugin fails or finishes early, it may have closed.
fn send(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

impl Place {
    /// A request head, and a body that is not empty.
    fn request(&self, random: &mut Random) -> (Vec<u8>, Vec<u8>) {
        let body = noise(random.next(), 1 + random.below(MAX_BODY));
        (request("POST", &self.target, &[CHUNKED]), body)
    }
}
