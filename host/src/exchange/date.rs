//! The Date field's value.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// A second since the epoch, and what it reads like.
type Known = (u64, String);

thread_local! {
    /// What this thread said last: it is the same for all responses of a second.
    static KNOWN: RefCell<Known> = const { RefCell::new((u64::MAX, String::new())) };
}

/// Lends the present time as an IMF-fixdate (RFC 9110 section 5.6.7).
pub(super) fn with_date<R>(work: impl FnOnce(&str) -> R) -> R {
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    KNOWN.with_borrow_mut(|known| {
        if known.0 != second {
            *known = (second, httpdate::fmt_http_date(now));
        }
        work(&known.1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_present_time_each_time() {
        KNOWN.set((0, "long ago".to_owned()));
        for _ in 0..3 {
            let before = SystemTime::now();
            let said = with_date(str::to_owned);
            let after = SystemTime::now();
            let all = [before, after].map(httpdate::fmt_http_date);
            assert!(all.contains(&said), "{said} is not in {all:?}");
        }
    }
}
