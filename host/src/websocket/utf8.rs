//! UTF-8 that comes in pieces (section 8.1).

/// Checks text piece by piece. A character may be cut anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character whose rest has not come.
    begun: [u8; 4],
    length: usize,
}

impl Utf8 {
    /// Checks the next bytes.
    ///
    /// # Errors
    ///
    /// The place in `bytes` of the first one that cannot stand where it stands.
    pub(super) fn check(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut at = 0;
        while self.length > 0 && at < bytes.len() {
            self.push(bytes[at]).map_err(|()| at)?;
            at += 1;
        }
        let Err(error) = std::str::from_utf8(&bytes[at..]) else {
            return Ok(());
        };
        // An unfinished character, or a wrong one, which is found within its few bytes.
        for (index, &byte) in bytes.iter().enumerate().skip(at + error.valid_up_to()) {
            self.push(byte).map_err(|()| index)?;
        }
        Ok(())
    }

    /// Whether no character is unfinished.
    pub(super) const fn is_whole(&self) -> bool {
        self.length == 0
    }

    fn push(&mut self, byte: u8) -> Result<(), ()> {
        self.begun[self.length] = byte;
        self.length += 1;
        match std::str::from_utf8(&self.begun[..self.length]) {
            Ok(_) => self.length = 0,
            Err(error) if error.error_len().is_some() => return Err(()),
            // Never with four bytes: those are a character or are none.
            Err(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_wrong(bytes: &[u8], cuts: &[usize]) -> Result<bool, usize> {
        let mut utf8 = Utf8::default();
        let mut start = 0;
        for &end in cuts.iter().chain([&bytes.len()]) {
            utf8.check(&bytes[start..end]).map_err(|place| start + place)?;
            start = end;
        }
        Ok(utf8.is_whole())
    }

    #[test]
    fn any_segmentation_gives_the_same() {
        for (bytes, expected) in [
            (&b""[..], Ok(true)),
            (b"plain", Ok(true)),
            ("κόσμε · 🦀 \u{10ffff} \u{0}".as_bytes(), Ok(true)),
            (b"a\xce", Ok(false)),
            (b"a\xf0\x9f\xa6", Ok(false)),
            (b"a\x80b", Err(1)),
            (b"a\xffb", Err(1)),
            (b"a\xceb", Err(2)),
            // Overlong, a surrogate, beyond the last character.
            (b"\xc0\xaf", Err(0)),
            (b"\xe0\x80\xaf", Err(1)),
            (b"ab\xed\xa0\x80", Err(3)),
            (b"\xf4\x90\x80\x80", Err(1)),
            (b"\xf5\x80\x80\x80", Err(0)),
            (b"\xf0\x9f\xa6a", Err(3)),
        ] {
            let every: Vec<usize> = (1..bytes.len()).collect();
            assert_eq!(first_wrong(bytes, &[]), expected, "{}", bytes.escape_ascii());
            assert_eq!(first_wrong(bytes, &every), expected, "{}", bytes.escape_ascii());
            for cut in every {
                assert_eq!(first_wrong(bytes, &[cut]), expected, "{} at {cut}", bytes.escape_ascii());
            }
        }
    }
}
