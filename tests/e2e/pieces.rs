//! Rule 3: how the body is cut into segments, wire chunks and calls means nothing.

use crate::harness::*;

#[test]
fn a_wire_chunk_is_handed_on_before_it_is_complete() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    client.send(request("POST", "/rot13", &[CHUNKED]));
    client.head();
    client.send("400\r\nHello");
    client.expect("Uryyb");
    client.send("World");
    client.expect("Jbeyq");
    client.send(vec![b'a'; 1024 - 10]);
    client.expect(vec![b'n'; 1024 - 10]);
    client.send("\r\n0\r\n\r\n");
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

#[test]
fn every_byte_in_a_segment_of_its_own() {
    let server = Server::of(&["rot13"]);
    let mut client = server.connect();
    for byte in request("POST", "/rot13", &[CHUNKED]) {
        client.send([byte]);
    }
    client.head();
    for byte in b"a;name=value\r\n" {
        client.send([*byte]);
    }
    for (byte, turned) in b"HelloWorld".iter().zip(b"UryybJbeyq") {
        client.send([*byte]);
        client.expect([*turned]);
    }
    for byte in b"\r\n00\r\nA-Trailer: value\r\n\r\n" {
        client.send([*byte]);
    }
    assert_eq!(client.rest(), (vec![], Ending::Clean));
    client.exchange(request("GET", "/rot13", &[])).is_clean(200, "");
}

#[test]
fn extensions_and_trailers_are_not_the_body() {
    let server = Server::of(&["echo"]);
    let body = "5;a=b;c=\"d\"\r\nHello\r\n\
                000005\r\nWorld\r\n\
                A;x\r\n0123456789\r\n\
                0;last\r\nA-Trailer: one\r\nAnother: two\r\n\r\n";
    let mut bytes = request("POST", "/echo", &[CHUNKED, "Trailer: A-Trailer"]);
    bytes.extend_from_slice(body.as_bytes());
    let mut client = server.connect();
    client.exchange(bytes).is_clean(200, "HelloWorld0123456789");
    client.exchange(request("GET", "/echo", &[])).is_clean(200, "");
}

#[test]
fn the_name_of_the_coding_is_in_any_case() {
    let server = Server::of(&["echo"]);
    let mut client = server.connect();
    let mut bytes = request("POST", "/echo", &["TRANSFER-ENCODING: Chunked"]);
    bytes.extend_from_slice(&wire_chunk("Hello"));
    bytes.extend_from_slice(LAST_CHUNK);
    client.exchange(bytes).is_clean(200, "Hello");
}

#[test]
fn calls_are_at_most_64_kib_and_never_empty() {
    let server = Server::of(&["chunk_lengths"]);
    let answer = server.post("/chunk_lengths", &noise(1, MIB));
    assert_eq!((answer.head.status, answer.ending), (200, Ending::Clean));
    let lengths = numbers(&answer.body);
    assert!(lengths.iter().all(|len| (1..=65536).contains(len)));
    assert_eq!(lengths.iter().sum::<usize>(), MIB);
}

#[test]
fn wire_chunks_of_one_read_arrive_in_one_call() {
    let server = Server::of(&["chunk_lengths"]);
    let mut client = server.connect();
    client.send(request("POST", "/chunk_lengths", &[CHUNKED]));
    client.head();
    let together = [wire_chunk("one"), wire_chunk("two"), wire_chunk("three")];
    client.send(together.concat());
    assert_eq!(numbers(&client.read(4)), [11]);
    client.send_last_chunk();
    assert_eq!(client.rest(), (vec![], Ending::Clean));
}

fn numbers(bytes: &[u8]) -> Vec<usize> {
    let numbers = bytes.chunks_exact(4);
    let numbers = numbers.map(|four| u32::from_le_bytes(four.try_into().expect("four bytes")));
    numbers.map(|number| number as usize).collect()
}
