//! Frames into a buffer (section 5). What a server sends is never masked.

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control as ControlCode, Data, OpCode};

use super::close::fitting;
use super::{Control, Kind};

/// Appends a piece of a message: its first one if `begin` says what it is, and its last one if
/// `is_final`.
pub fn data(buffer: &mut Vec<u8>, begin: Option<Kind>, is_final: bool, payload: &[u8]) {
    let opcode = match begin {
        None => Data::Continue,
        Some(Kind::Text) => Data::Text,
        Some(Kind::Binary) => Data::Binary,
    };
    frame(buffer, OpCode::Data(opcode), is_final, payload);
}

/// Appends a question whether the client is still there.
pub fn ping(buffer: &mut Vec<u8>) {
    frame(buffer, OpCode::Control(ControlCode::Ping), true, &[]);
}

/// Appends the answer to a ping with this payload.
pub fn pong(buffer: &mut Vec<u8>, payload: &Control) {
    frame(buffer, OpCode::Control(ControlCode::Pong), true, payload.bytes());
}

/// Appends a Close frame; of `reason`, as much as fits.
pub fn close(buffer: &mut Vec<u8>, code: u16, reason: &str) {
    let reason = fitting(reason);
    let mut payload = Control::EMPTY;
    payload.extend(&code.to_be_bytes());
    payload.extend(reason.as_bytes());
    frame(buffer, OpCode::Control(ControlCode::Close), true, payload.bytes());
}

fn frame(buffer: &mut Vec<u8>, opcode: OpCode, is_final: bool, payload: &[u8]) {
    let header = FrameHeader { is_final, opcode, ..FrameHeader::default() };
    // Writing into a Vec cannot fail.
    let _ = header.format(payload.len() as u64, buffer);
    buffer.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_what_the_rfc_shows() {
        let mut buffer = Vec::new();
        data(&mut buffer, Some(Kind::Text), true, b"Hello");
        assert_eq!(buffer, b"\x81\x05Hello");
        buffer.clear();
        data(&mut buffer, Some(Kind::Text), false, b"Hel");
        data(&mut buffer, None, true, b"lo");
        assert_eq!(buffer, b"\x01\x03Hel\x80\x02lo");
        buffer.clear();
        data(&mut buffer, Some(Kind::Binary), true, &[7; 256]);
        assert_eq!(buffer[..5], [0x82, 0x7e, 0x01, 0x00, 7]);
        buffer.clear();
        data(&mut buffer, Some(Kind::Binary), true, &[7; 65_536]);
        assert_eq!(buffer[..11], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0, 7]);
        assert_eq!(buffer.len(), 65_546);
    }

    #[test]
    fn control_frames() {
        let mut buffer = Vec::new();
        ping(&mut buffer);
        pong(&mut buffer, &Control::EMPTY);
        close(&mut buffer, 1000, "");
        assert_eq!(buffer, b"\x89\x00\x8a\x00\x88\x02\x03\xe8");
        buffer.clear();
        close(&mut buffer, 1011, &"ü".repeat(70));
        assert_eq!(buffer[..2], [0x88, 124]);
        assert_eq!(std::str::from_utf8(&buffer[4..]), Ok("ü".repeat(61).as_str()));
    }
}
