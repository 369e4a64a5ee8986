//! What a C-like text says, as far as it decides how it is built.

/// The header of a line `#include <header>`.
pub(super) fn system_header(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("include")?;
    Some(rest.trim_start().strip_prefix('<')?.split_once('>')?.0)
}

/// Whether a C or C++ source defines `main`.
pub(super) fn defines_main(text: &str) -> bool {
    text.match_indices("main").any(|(at, word)| {
        let before = text[..at].trim_end();
        let is_typed = ["int", "void", "auto"].iter().any(|ty| {
            before
                .strip_suffix(ty)
                .is_some_and(|rest| !rest.ends_with(|last: char| last.is_alphanumeric() || last == '_'))
        });
        let is_word = text[..at].ends_with(char::is_whitespace);
        is_typed && is_word && text[at + word.len()..].trim_start().starts_with('(')
    })
}

/// A C-like text with its comments and the insides of its strings left out.
pub(super) fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.find("*/").map_or(rest.len(), |end| end + 4)
        } else if next == '"' {
            string_length(rest)
        } else {
            kept.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        kept.push(' ');
        rest = &rest[skipped..];
    }
    kept
}

/// The length of the string literal that `text` begins with; a line's end ends it too.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, next) in text.char_indices().skip(1) {
        match next {
            '\n' => return at,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn main_is_a_definition() {
        for text in
            ["int main(void)", "static\nvoid main ()", "auto main() -> int", ";int main(", "extern int main("]
        {
            assert!(defines_main(text), "{text}");
        }
        for text in ["", "main()", "int domain(", "int main;", "print main(", "int main_loop(", "x_int main("]
        {
            assert!(!defines_main(text), "{text}");
        }
    }

    #[test]
    fn comments_and_strings_have_no_say() {
        let text = "a // b\nc /* d\n */ e \"int main( \\\" // \" f /* open";
        assert_eq!(without_comments(text), "a  \nc   e   f  ");
        assert_eq!(without_comments("\"open\nnext"), " \nnext");
        assert_eq!(without_comments("é\"ü\\"), "é ");
    }
}
