//! Request methods (RFC 9110 section 9).

use super::Refusal;

/// The request methods that reach a plugin. Methods are case-sensitive (RFC 9110 section 9.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    Delete,
    Get,
    Head,
    Options,
    Patch,
    Post,
    Put,
}

/// The value of the Allow field when a method is known but not offered.
pub const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

impl Method {
    /// All of them, as [`ALLOW`] has them.
    const ALL: [Self; 7] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    /// The method as it stands in the request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }

    /// The method of this name.
    ///
    /// # Errors
    ///
    /// 405 for those that are known and not offered, otherwise 501.
    pub fn parse(token: &str) -> Result<Self, Refusal> {
        Ok(match token {
            "DELETE" => Self::Delete,
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "OPTIONS" => Self::Options,
            "PATCH" => Self::Patch,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "TRACE" | "CONNECT" => return Err(Refusal::new(405, "this method is not offered")),
            _ => return Err(Refusal::new(501, "unknown method (methods are case-sensitive)")),
        })
    }
}

/// Some of the methods.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MethodSet(u8);

impl MethodSet {
    /// All that are offered.
    pub const ALL: Self = Self(u8::MAX);

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, method: Method) -> bool {
        self.0 & 1 << method as u8 != 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Method::ALL.into_iter().filter(move |&method| self.has(method)).map(Method::as_str)
    }

    /// The value of an Allow field.
    #[must_use]
    pub fn allow(self) -> String {
        self.names().collect::<Vec<_>>().join(", ")
    }
}

impl FromIterator<Method> for MethodSet {
    fn from_iter<I: IntoIterator<Item = Method>>(methods: I) -> Self {
        Self(methods.into_iter().fold(0, |set, method| set | 1 << method as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_methods() {
        assert_eq!(MethodSet::ALL.allow(), ALLOW);
        let set: MethodSet = [Method::Post, Method::Get].into_iter().collect();
        assert_eq!(set.allow(), "GET, POST");
        assert!(set.has(Method::Get) && !set.has(Method::Put));
        let other = [Method::Post, Method::Put].into_iter().collect();
        assert_eq!(set.and(other).allow(), "POST");
        assert_eq!(set.and(MethodSet::from_iter([])).allow(), "");
    }
}
