//! The header of a gzip member (RFC 1952, 2.3), byte by byte.

use crc32fast::Hasher;

/// A header under way. What it says of the file, its name for one, is left out.
#[derive(Default)]
pub(crate) struct Header {
    field: Field,
    /// How many bytes of the field there were, and their value if it is a number.
    len: u16,
    number: u16,
    flags: u8,
    sum: Hasher,
}

#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Field {
    /// Ten bytes that are always there.
    #[default]
    Fixed,
    ExtraLen,
    Extra(u16),
    Name,
    Comment,
    Sum,
    /// All of the header is there.
    End,
}

const HAS_SUM: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

const FIXED_LEN: u16 = 10;

impl Header {
    /// Takes the next byte; whether it was the last one.
    pub(crate) fn push(&mut self, byte: u8) -> Result<bool, &'static str> {
        let is_field_complete = self.push_to_field(byte)?;
        if self.field != Field::Sum {
            self.sum.update(&[byte]);
        }
        if is_field_complete {
            self.field = self.next_field();
            (self.len, self.number) = (0, 0);
        }
        Ok(self.field == Field::End)
    }

    fn push_to_field(&mut self, byte: u8) -> Result<bool, &'static str> {
        let place = self.len;
        // Beyond 64 KiB only names and comments have more, and they end with a zero.
        self.len = self.len.saturating_add(1);
        Ok(match self.field {
            Field::Fixed => {
                self.check_fixed(place, byte)?;
                self.len == FIXED_LEN
            }
            Field::ExtraLen => {
                self.push_to_number(place, byte);
                self.len == 2
            }
            Field::Extra(len) => self.len == len,
            Field::Name | Field::Comment => byte == 0,
            Field::Sum => {
                self.push_to_number(place, byte);
                if self.len == 2 && self.number != (self.sum.clone().finalize() & 0xffff) as u16 {
                    return Err("the gzip header's checksum is wrong");
                }
                self.len == 2
            }
            Field::End => true,
        })
    }

    fn check_fixed(&mut self, place: u16, byte: u8) -> Result<(), &'static str> {
        match (place, byte) {
            (0, 0x1f) | (1, 0x8b) | (2, 8) => {}
            (0 | 1, _) => return Err("this is not gzip"),
            (2, _) => return Err("the gzip stream is compressed by an unknown method"),
            (3, flags) if flags & RESERVED != 0 => return Err("the gzip header has unknown flags"),
            (3, flags) => self.flags = flags,
            // Time, level and system.
            _ => {}
        }
        Ok(())
    }

    /// Numbers have their low byte first.
    fn push_to_number(&mut self, place: u16, byte: u8) {
        self.number |= u16::from(byte) << (8 * place);
    }

    /// The first field behind the present one that is there.
    fn next_field(&self) -> Field {
        let has = |flag: u8| self.flags & flag != 0;
        match self.field {
            Field::Fixed if has(HAS_EXTRA) => Field::ExtraLen,
            Field::ExtraLen if self.number > 0 => Field::Extra(self.number),
            Field::Fixed | Field::ExtraLen | Field::Extra(_) if has(HAS_NAME) => Field::Name,
            Field::Fixed | Field::ExtraLen | Field::Extra(_) | Field::Name if has(HAS_COMMENT) => {
                Field::Comment
            }
            Field::Sum | Field::End => Field::End,
            _ if has(HAS_SUM) => Field::Sum,
            _ => Field::End,
        }
    }
}
