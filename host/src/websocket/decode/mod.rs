//! Messages and control frames out of wire bytes (sections 5 and 7).
//!
//! The decoder takes whatever has arrived, unmasks it where it lies, and says where the payload is: a
//! frame that has arrived in part is given out in part. It keeps no payload but a control frame's.

use std::io::Cursor;
use std::ops::Range;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control as ControlCode, Data, OpCode};

use super::close::{self, is_sendable};
use super::utf8::Utf8;
use super::{Control, Kind, MAX_CONTROL};

/// The longest frame head, in bytes: two, eight of length, four of mask.
const MAX_HEAD: usize = 14;

/// The least lengths that may be written in two and in eight bytes (section 5.2: the minimal number of
/// bytes must be used).
const LEAST_IN_TWO: u64 = 126;
const LEAST_IN_EIGHT: u64 = 1 << 16;

/// The most that eight bytes may say: the first bit must be 0.
const MAX_LENGTH: u64 = (1 << 63) - 1;

/// What a client did wrong. One line each, for the log and the Close frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Violation {
    Reserved,
    Opcode,
    Unmasked,
    FragmentedControl,
    LongControl,
    Length,
    Continuation,
    Interleaved,
    CloseLength,
    CloseCode,
    CloseReason,
    Text,
    TooBig,
}

impl Violation {
    /// The code of the Close frame that says so (section 7.4.1).
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::CloseReason | Self::Text => close::INVALID_TEXT,
            Self::TooBig => close::TOO_BIG,
            _ => close::PROTOCOL,
        }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reserved => "a frame with reserved bits",
            Self::Opcode => "a frame of an unknown kind",
            Self::Unmasked => "a frame without a mask",
            Self::FragmentedControl => "a control frame in fragments",
            Self::LongControl => "a control frame beyond 125 bytes",
            Self::Length => "a frame length that is not written in the shortest way",
            Self::Continuation => "a continuation without a message",
            Self::Interleaved => "a message within another",
            Self::CloseLength => "a Close frame with half a code",
            Self::CloseCode => "a Close frame with a code that must not be sent",
            Self::CloseReason => "a Close frame whose reason is not UTF-8",
            Self::Text => "a text message that is not UTF-8",
            Self::TooBig => "a message beyond --websocket-message",
        })
    }
}

impl std::error::Error for Violation {}

/// What came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// Nothing that is whole: more bytes are needed.
    More,
    /// A piece of a message, in place and unmasked. Empty only where it is the last one.
    Piece {
        kind: Kind,
        payload: Range<usize>,
        is_last: bool,
    },
    Ping(Control),
    Pong,
    /// The client has said its last word, with this code if it gave one. What it sends after that means
    /// nothing (section 5.5.1).
    Close(Option<u16>),
}

/// The state of one direction of a WebSocket.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    /// The beginning of a frame head whose rest has not come.
    head: [u8; MAX_HEAD],
    head_length: usize,
    message: Option<Message>,
    control: Control,
    /// The longest message, in bytes.
    limit: u64,
}

/// The message that is open.
#[derive(Clone, Copy, Debug)]
struct Message {
    kind: Kind,
    /// What its frames so far announced, in bytes.
    length: u64,
    utf8: Utf8,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head,
    Data {
        left: u64,
        mask: [u8; 4],
        is_final: bool,
    },
    Control {
        code: ControlCode,
        left: usize,
        mask: [u8; 4],
    },
    /// After a Close frame.
    Closed,
    Failed(Violation),
}

impl Decoder {
    /// A decoder for what a client sends. Messages are at most `limit` bytes long.
    #[must_use]
    pub const fn new(limit: Option<u64>) -> Self {
        let limit = match limit {
            Some(limit) => limit,
            None => MAX_LENGTH,
        };
        Self {
            state: State::Head,
            head: [0; MAX_HEAD],
            head_length: 0,
            message: None,
            control: Control::EMPTY,
            limit,
        }
    }

    /// Takes bytes from the front of `input`, at most `room` (not 0) of a message, and says how many it
    /// is done with and what they were. To be called until it says [`Event::More`], which it does only
    /// when it is done with all of them.
    ///
    /// # Errors
    ///
    /// [`Violation`] at the first byte that breaks the protocol, after all that came before it was given
    /// out; and from then on.
    pub fn decode(&mut self, input: &mut [u8], room: usize) -> Result<(usize, Event), Violation> {
        debug_assert!(room > 0);
        let mut used = 0;
        loop {
            let rest = &mut input[used..];
            let (taken, event) = match self.state {
                State::Failed(violation) => return Err(violation),
                State::Closed => return Ok((input.len(), Event::More)),
                State::Head => (self.read_head(rest).map_err(|violation| self.fail(violation))?, None),
                State::Data { .. } => self.read_data(rest, room)?,
                State::Control { .. } => self.read_control(rest)?,
            };
            if let Some(mut event) = event {
                if let Event::Piece { payload, .. } = &mut event {
                    *payload = used + payload.start..used + payload.end;
                }
                return Ok((used + taken, event));
            }
            used += taken;
            if used == input.len() && !self.has_empty_frame() {
                return Ok((used, Event::More));
            }
        }
    }

    const fn fail(&mut self, violation: Violation) -> Violation {
        self.state = State::Failed(violation);
        violation
    }

    /// Whether the present frame's payload is complete without another byte.
    const fn has_empty_frame(&self) -> bool {
        matches!(self.state, State::Data { left: 0, .. } | State::Control { left: 0, .. })
    }

    /// Takes bytes of a frame's head, and enters the frame when it is complete.
    fn read_head(&mut self, input: &[u8]) -> Result<usize, Violation> {
        let before = self.head_length;
        let more = input.len().min(MAX_HEAD - before);
        self.head[before..before + more].copy_from_slice(&input[..more]);
        let known = before + more;
        if known >= 2 {
            check_start(self.head[0], self.head[1])?;
        }
        let mut cursor = Cursor::new(&self.head[..known]);
        match FrameHeader::parse(&mut cursor) {
            Ok(Some((header, length))) => {
                // At most 14.
                let size = cursor.position() as usize;
                self.head_length = 0;
                self.enter(&header, length, size)?;
                Ok(size - before)
            }
            Ok(None) => {
                self.head_length = known;
                Ok(more)
            }
            // The only thing that it refuses.
            Err(_) => Err(Violation::Opcode),
        }
    }

    /// A frame begins, with a head of `size` bytes.
    fn enter(&mut self, header: &FrameHeader, length: u64, size: usize) -> Result<(), Violation> {
        let mask = header.mask.ok_or(Violation::Unmasked)?;
        let least = match size - 2 - mask.len() {
            2 => LEAST_IN_TWO,
            8 => LEAST_IN_EIGHT,
            _ => 0,
        };
        if !(least..=MAX_LENGTH).contains(&length) {
            return Err(Violation::Length);
        }
        let data = match header.opcode {
            OpCode::Data(data) => data,
            OpCode::Control(code) => {
                self.control = Control::EMPTY;
                // At most 125, by the first two bytes.
                self.state = State::Control { code, left: length as usize, mask };
                return Ok(());
            }
        };
        let fresh = |kind| Message { kind, length: 0, utf8: Utf8::default() };
        let message = match (data, &mut self.message) {
            (Data::Continue, Some(message)) => message,
            (Data::Continue, None) => return Err(Violation::Continuation),
            (_, Some(_)) => return Err(Violation::Interleaved),
            (Data::Text, none) => none.insert(fresh(Kind::Text)),
            (_, none) => none.insert(fresh(Kind::Binary)),
        };
        message.length = message.length.saturating_add(length);
        if message.length > self.limit {
            return Err(Violation::TooBig);
        }
        self.state = State::Data { left: length, mask, is_final: header.is_final };
        Ok(())
    }

    fn read_data(&mut self, input: &mut [u8], room: usize) -> Result<(usize, Option<Event>), Violation> {
        let (State::Data { left, mask, is_final }, Some(message)) = (&mut self.state, &mut self.message)
        else {
            return Ok((0, None));
        };
        let length = input.len().min(room).min(usize::try_from(*left).unwrap_or(usize::MAX));
        unmask(&mut input[..length], mask);
        *left -= length as u64;
        let (is_done, kind) = (*left == 0, message.kind);
        let mut is_last = is_done && *is_final;
        let mut payload = 0..length;
        let mut violation = None;
        if kind == Kind::Text {
            if let Err(place) = message.utf8.check(&input[..length]) {
                payload.end = place;
                violation = Some(Violation::Text);
            } else if is_last && !message.utf8.is_whole() {
                violation = Some(Violation::Text);
            }
        }
        if let Some(violation) = violation {
            self.fail(violation);
            is_last = false;
        } else if is_done {
            self.state = State::Head;
            if is_last {
                self.message = None;
            }
        }
        if payload.is_empty() && !is_last {
            return match violation {
                Some(violation) => Err(violation),
                None => Ok((length, None)),
            };
        }
        Ok((length, Some(Event::Piece { kind, payload, is_last })))
    }

    fn read_control(&mut self, input: &[u8]) -> Result<(usize, Option<Event>), Violation> {
        let State::Control { code, left, mask } = &mut self.state else {
            return Ok((0, None));
        };
        let length = input.len().min(*left);
        self.control.extend(&input[..length]);
        *left -= length;
        if *left > 0 {
            return Ok((length, None));
        }
        let (code, mut mask) = (*code, *mask);
        let count = usize::from(self.control.length);
        unmask(&mut self.control.bytes[..count], &mut mask);
        self.state = State::Head;
        let event = match code {
            ControlCode::Ping => Event::Ping(self.control),
            ControlCode::Close => {
                let code = close_code(self.control.bytes()).map_err(|violation| self.fail(violation))?;
                self.state = State::Closed;
                Event::Close(code)
            }
            _ => Event::Pong,
        };
        Ok((length, Some(event)))
    }
}

/// What the first two bytes of a frame tell by themselves, so that nobody waits for the rest of a frame
/// that is no good.
fn check_start(first: u8, second: u8) -> Result<(), Violation> {
    let (is_final, opcode, length) = (first & 0x80 != 0, first & 0x0f, usize::from(second & 0x7f));
    let is_control = opcode & 0x08 != 0;
    if first & 0x70 != 0 {
        return Err(Violation::Reserved);
    }
    if matches!(opcode, 0x3..=0x7 | 0xb..=0xf) {
        return Err(Violation::Opcode);
    }
    if second & 0x80 == 0 {
        return Err(Violation::Unmasked);
    }
    if is_control && !is_final {
        return Err(Violation::FragmentedControl);
    }
    if is_control && length > MAX_CONTROL {
        return Err(Violation::LongControl);
    }
    Ok(())
}

/// The code of a Close frame, if it has a payload (section 5.5.1).
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::CloseLength) };
    };
    let code = u16::from_be_bytes(*code);
    if !is_sendable(code) {
        return Err(Violation::CloseCode);
    }
    match std::str::from_utf8(reason) {
        Ok(_) => Ok(Some(code)),
        Err(_) => Err(Violation::CloseReason),
    }
}

/// Takes the mask off (section 5.3), eight bytes at a time, and turns it to where the next byte needs it.
fn unmask(bytes: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let length = bytes.len();
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    mask.rotate_left(length % 4);
}

#[cfg(test)]
mod tests;
