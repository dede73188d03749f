//! Text of others in a message: a value, a name, a path may hold what moves a terminal's cursor, begins
//! a line that looks like one of ours, or turns round what is read.

use std::borrow::Cow;
use std::fmt::Display;

/// Whether a character is shown as it is: no control character, and none that breaks a line or sets the
/// direction of the text after it.
pub fn is_plain(character: char) -> bool {
    let is_mark = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !character.is_control() && !is_mark
}

/// A text on one line, each character that is not plain written as an escape.
pub fn escaped(text: &str) -> Cow<'_, str> {
    escaped_but(text, |_| false)
}

/// As [`escaped`], on as many lines as the text has.
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    escaped_but(text, |character| character == '\n')
}

/// As [`escaped`], of at most so many characters of the text.
pub fn plain(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => escaped(text.get(..end).unwrap_or_default()).into_owned() + "…",
        None => escaped(text).into_owned(),
    }
}

/// A count of things: `1 row`, `2 rows`.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, thing: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

/// What is said of something, behind its name, which is not said twice: messages of a source begin with its own.
pub fn said_of(name: &str, text: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    let said = |name: &str| text.strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
    format!("{name}: {}", said(name).or_else(|| said(last)).unwrap_or(text))
}

fn escaped_but(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let stays = |character: char| is_plain(character) || is_kept(character);
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if stays(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_default());
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_or_turns_text_round_is_written_as_an_escape() {
        assert_eq!(escaped("a\x1b]52;c\x07\r\nb\u{85}"), "a\\u{1b}]52;c\\u{7}\\r\\nb\\u{85}");
        assert_eq!(
            escaped("total \u{202e}001\u{202c} \u{2067}x\u{200f}"),
            "total \\u{202e}001\\u{202c} \\u{2067}x\\u{200f}"
        );
        assert_eq!(escaped_lines("one\r\n\ttwo"), "one\\r\n\\ttwo");
        assert!(matches!(escaped("Año 2024: señal, 日本, `x`"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_long_text_is_cut_before_it_is_escaped() {
        assert_eq!(plain("ñandú\n", 3), "ñan…");
        assert_eq!(plain("\n\n", 2), "\\n\\n");
        assert_eq!(plain(&"x".repeat(1 << 20), 5), "xxxxx…");
    }

    #[test]
    fn one_of_a_thing_is_told_without_an_s() {
        assert_eq!((counted(1_u64, "row"), counted(0_u64, "row")), ("1 row".to_owned(), "0 rows".to_owned()));
        assert_eq!(counted(2_usize, "source"), "2 sources");
    }

    #[test]
    fn the_name_that_a_message_begins_with_is_not_told_twice() {
        assert_eq!(said_of("orders", "orders: 0 rows"), "orders: 0 rows");
        assert_eq!(said_of("bronze.orders", "orders: 0 rows"), "bronze.orders: 0 rows");
        assert_eq!(said_of("orders", "`orders_1.csv` is empty"), "orders: `orders_1.csv` is empty");
    }
}
