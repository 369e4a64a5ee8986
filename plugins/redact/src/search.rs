//! Going quickly over text in which nothing can be masked.

/// How many bytes behind a place are looked at to see whether it is worth a closer look.
const AHEAD: usize = 7;
/// As many places at a time as a vector has bytes.
const BLOCK: usize = 16;

/// The first place from `from` on at which something may be, for a matcher to look
/// closely. The last few places of the text are all worth it; behind them, its length.
///
/// - an `@` or a `%40`
/// - where digits may begin that are a card number: the places 0 to 3, 5 and 7 from
///   there are digits (and not so in most dates, times and addresses)
/// - the `bear` of "bearer" and the `toke` of "token"
pub(crate) fn candidate(bytes: &[u8], from: usize) -> usize {
    let mut place = from;
    while let Some(block) = bytes.get(place..).and_then(|rest| rest.first_chunk::<{ BLOCK + AHEAD }>()) {
        // As a number, so that one test tells whether there is any.
        let marks = u128::from_le_bytes(marks(block));
        if marks != 0 {
            return place + marks.trailing_zeros() as usize / 8;
        }
        place += BLOCK;
    }
    while let Some(ahead) = bytes.get(place..).and_then(|rest| rest.first_chunk::<{ 1 + AHEAD }>()) {
        if is_marked(|distance| ahead[distance]) {
            return place;
        }
        place += 1;
    }
    place
}

/// All places of a block at once: no branch, so the compiler makes vectors of it.
#[inline(always)]
fn marks(block: &[u8; BLOCK + AHEAD]) -> [u8; BLOCK] {
    let mut marks = [0; BLOCK];
    for (place, mark) in marks.iter_mut().enumerate() {
        *mark = u8::from(is_marked(|distance| block[place + distance]));
    }
    marks
}

#[inline(always)]
fn is_marked(at: impl Fn(usize) -> u8) -> bool {
    let is_digit = |distance| at(distance).wrapping_sub(b'0') < 10;
    // Lower case for letters, and something else than a letter for all other bytes.
    let lower = |distance| at(distance) | 0x20;
    let is_number = is_digit(0) & is_digit(1) & is_digit(2) & is_digit(3) & is_digit(5) & is_digit(7);
    let is_bearer = (lower(0) == b'b') & (lower(1) == b'e') & (lower(2) == b'a') & (lower(3) == b'r');
    let is_token = (lower(0) == b't') & (lower(1) == b'o') & (lower(2) == b'k') & (lower(3) == b'e');
    let is_encoded_at = (at(0) == b'%') & (at(1) == b'4') & (at(2) == b'0');
    (at(0) == b'@') | is_encoded_at | is_number | is_bearer | is_token
}
