//! W3C Trace Context: the `traceparent` field (<https://www.w3.org/TR/trace-context/>, section 3.2).

/// Lengths of the parts of version 00, in hexadecimal digits.
const TRACE_ID: usize = 32;
const PARENT_ID: usize = 16;

/// The trace id of a `traceparent` value, if it is a valid one. Of a later version, only the part
/// that version 00 knows is looked at, as the specification asks.
#[must_use]
pub fn trace_id(value: &[u8]) -> Option<&str> {
    let value = std::str::from_utf8(value).ok()?;
    let mut parts = value.splitn(5, '-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (parent, flags) = (parts.next()?, parts.next()?);
    let is_known = version != "ff" && (version != "00" || parts.next().is_none());
    let is_valid = is_known
        && is_hex(version, 2)
        && is_hex(trace, TRACE_ID)
        && is_hex(parent, PARENT_ID)
        && is_hex(flags, 2)
        && trace.bytes().any(|digit| digit != b'0')
        && parent.bytes().any(|digit| digit != b'0');
    is_valid.then_some(trace)
}

fn is_hex(part: &str, length: usize) -> bool {
    part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_ones() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for value in [
            format!("00-{id}-00f067aa0ba902b7-01"),
            format!("cc-{id}-00f067aa0ba902b7-01"),
            format!("cc-{id}-00f067aa0ba902b7-01-what-the-future-brings"),
        ] {
            assert_eq!(trace_id(value.as_bytes()), Some(id), "{value}");
        }
    }

    #[test]
    fn invalid_ones() {
        for value in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_id(value.as_bytes()), None, "{value}");
        }
        assert_eq!(trace_id(b"\xff"), None);
    }
}
