//! Close frames: their codes (section 7.4) and reasons (section 5.5.1).

use super::MAX_CONTROL;

/// All was said.
pub const NORMAL: u16 = 1000;

/// The other side broke the protocol.
pub const PROTOCOL: u16 = 1002;

/// Text that is not UTF-8.
pub const INVALID_TEXT: u16 = 1007;

/// Something that this host does not put up with, and that has no code of its own.
pub const POLICY: u16 = 1008;

/// A message, or all of them together, beyond what is taken.
pub const TOO_BIG: u16 = 1009;

/// The plugin failed.
pub const FAILED: u16 = 1011;

/// The longest reason, in bytes: what a control frame has room for beside the code.
pub const MAX_REASON: usize = MAX_CONTROL - 2;

/// Whether a Close frame may carry this code: those of section 7.4.1 that are sent, the three that the
/// registry (section 11.7) has got since, and the ranges for libraries and applications. 1004, 1005,
/// 1006 and 1015 never stand on the wire.
#[must_use]
pub const fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// As much of `reason` as a Close frame has room for, cut between two characters.
#[must_use]
pub fn fitting(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(MAX_REASON)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_on_the_wire() {
        for code in
            [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
        {
            assert!(is_sendable(code), "{code}");
        }
        for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            assert!(!is_sendable(code), "{code}");
        }
    }

    #[test]
    fn reasons_are_cut_between_characters() {
        assert_eq!(fitting("short"), "short");
        let long = "ü".repeat(100);
        assert_eq!(fitting(&long), "ü".repeat(61));
        assert_eq!(fitting(&"x".repeat(124)).len(), MAX_REASON);
    }
}
