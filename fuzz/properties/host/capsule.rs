//! The form of a capsule.

use wasmplex::capsule::form::{Bytes, Capsule, FORM, read, write};

/// What is read as a capsule is, written down, read as the same; and bytes of an event are what they were.
pub fn property(data: &[u8]) {
    assert_eq!(Bytes::of(data).get().ok().as_deref(), Some(data));
    let capsule = match read(data) {
        Ok(capsule) => capsule,
        Err(error) => {
            assert!(!format!("{error:#}").is_empty());
            return;
        }
    };
    assert_eq!(capsule.capsule, FORM);
    for event in &capsule.events {
        assert!(event.bytes().is_ok(), "{event:?}");
    }
    let mut written = Vec::new();
    let events = capsule.events.clone();
    let head = Capsule { events: Vec::new(), ..capsule.clone() };
    write(&mut written, &head, events.into_iter()).expect("a Vec takes all");
    let again = read(&written).unwrap_or_else(|error| panic!("{error:#}: {}", written.escape_ascii()));
    assert_eq!(again, capsule);
}
