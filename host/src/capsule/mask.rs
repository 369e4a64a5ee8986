//! What must not get into a capsule: values whose names say that they are secret.
//!
//! Only names are looked at. A secret in a body, in a path, or under a harmless name is not seen.

use percent_encoding::percent_decode;

/// What stands in the place of a masked value, for the plugin too when the capsule is replayed.
pub const MASK: &str = "***";

/// A name with one of these in it is a secret's.
const PARTS: [&str; 10] = [
    "authorization",
    "cookie",
    "credential",
    "key",
    "passwd",
    "password",
    "secret",
    "session",
    "signature",
    "token",
];

/// So is one that is just this: too short to be looked for inside of others.
const WHOLE: [&str; 6] = ["auth", "jwt", "pass", "pwd", "sid", "sig"];

/// Whether what has this name is most likely secret.
#[must_use]
pub fn is_secret(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    WHOLE.contains(&name.as_str()) || PARTS.iter().any(|part| name.contains(part))
}

/// A query (`a=1&b=2`) with the values of secret parameters masked, and their names.
#[must_use]
pub fn query(query: &[u8]) -> (Vec<u8>, Vec<String>) {
    let mut masked = Vec::with_capacity(query.len());
    let mut names = Vec::new();
    let mut rest = query;
    loop {
        // RFC 1866 lets `;` stand for `&`, and some still do.
        let end = rest.iter().position(|byte| b"&;".contains(byte)).unwrap_or(rest.len());
        let (parameter, behind) = rest.split_at(end);
        match parameter.iter().position(|&byte| byte == b'=') {
            Some(equals) if is_secret_parameter(&parameter[..equals]) => {
                masked.extend_from_slice(&parameter[..=equals]);
                masked.extend_from_slice(MASK.as_bytes());
                names.push(String::from_utf8_lossy(&parameter[..equals]).into_owned());
            }
            _ => masked.extend_from_slice(parameter),
        }
        let Some((separator, behind)) = behind.split_first() else {
            return (masked, names);
        };
        masked.push(*separator);
        rest = behind;
    }
}

/// The value of a field with a harmless name, which may hold a URL with a query (`referer`).
#[must_use]
pub fn value(value: &[u8]) -> (Vec<u8>, Vec<String>) {
    let Some(mark) = value.iter().position(|&byte| byte == b'?') else {
        return (value.to_vec(), Vec::new());
    };
    let (before, behind) = value.split_at(mark + 1);
    let (masked, names) = query(behind);
    ([before, &masked].concat(), names)
}

/// Arguments with those masked that a secret name stands before, as in `--token=x` and `--token x`; and
/// which ones those are.
#[must_use]
pub fn args(args: &[String]) -> (Vec<String>, Vec<usize>) {
    let (mut shown, mut masked) = (Vec::with_capacity(args.len()), Vec::new());
    let mut is_value = false;
    for (index, arg) in args.iter().enumerate() {
        let name = arg.split_once('=').map(|(name, _)| name).filter(|name| is_secret(bare(name)));
        shown.push(match name {
            Some(name) => format!("{name}={MASK}"),
            None if is_value => MASK.to_owned(),
            None => arg.clone(),
        });
        if name.is_some() || is_value {
            masked.push(index);
        }
        is_value = arg.starts_with('-') && !arg.contains('=') && is_secret(bare(arg));
    }
    (shown, masked)
}

fn bare(name: &str) -> &[u8] {
    name.trim_start_matches('-').as_bytes()
}

fn is_secret_parameter(name: &[u8]) -> bool {
    is_secret(&percent_decode(name).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for name in [
            "Authorization",
            "proxy-authorization",
            "cookie",
            "Set-Cookie",
            "x-api-key",
            "X-Auth-Token",
            "client_secret",
            "DB_PASSWORD",
            "apikey",
            "sig",
            "X-Amz-Signature",
        ] {
            assert!(is_secret(name.as_bytes()), "{name}");
        }
        for name in ["host", "accept", "content-type", "x-request-id", "author", "pattern", "design", ""] {
            assert!(!is_secret(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn arguments_after_secret_names() {
        for (given, expected, masked) in [
            ("a-z A-Z", "a-z A-Z", &[][..]),
            ("--token=x y", "--token=*** y", &[0]),
            ("-v --api-key x y", "-v --api-key *** y", &[2]),
            ("--pass --key x", "--pass *** ***", &[1, 2]),
            ("key value", "key value", &[]),
        ] {
            let given: Vec<String> = given.split(' ').map(str::to_owned).collect();
            let (shown, indices) = args(&given);
            assert_eq!((shown.join(" ").as_str(), indices.as_slice()), (expected, masked));
        }
    }

    #[test]
    fn queries_keep_all_but_secret_values() {
        for (given, expected, names) in [
            ("", "", &[][..]),
            ("a=1&b", "a=1&b", &[]),
            ("token=abc", "token=***", &["token"]),
            ("a=1&API_KEY=x=y&b=2", "a=1&API_KEY=***&b=2", &["API_KEY"]),
            ("%74oken=abc&&;key=;k=v", "%74oken=***&&;key=***;k=v", &["%74oken", "key"]),
            ("token", "token", &[]),
        ] {
            let (masked, masked_names) = query(given.as_bytes());
            assert_eq!(String::from_utf8_lossy(&masked), expected);
            assert_eq!(masked_names, names, "{given}");
        }
        assert_eq!(value(b"https://a/b?x=1&token=2").0, b"https://a/b?x=1&token=***");
        assert_eq!(value(b"plain \xff").0, b"plain \xff");
    }
}
