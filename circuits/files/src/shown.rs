//! Text from outside, made safe to print.

use std::fmt::{self, Display, Formatter, Write};

/// Prints `value` as one line that no terminal obeys: control characters, line breaks, and the marks that change the
/// direction of text are escaped as in a Rust string.
///
/// For the names of files, and for reasons that quote them.
pub fn shown(value: impl Display) -> impl Display {
    Shown(value)
}

/// Escapes in the text of a JSON value what a terminal obeys. The value stays the same.
#[must_use]
pub fn shown_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        // All of these have 16 bits, and those of ASCII are escaped already, or stand between values.
        if is_obeyed(c) && !c.is_ascii_whitespace() {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

struct Shown<T>(T);

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'f>(&'a mut Formatter<'f>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| {
            if is_obeyed(c) { write!(self.0, "{}", c.escape_default()) } else { self.0.write_char(c) }
        })
    }
}

/// Whether `c` changes how the text around it is shown.
fn is_obeyed(c: char) -> bool {
    let is_line_break = matches!(c, '\u{2028}' | '\u{2029}');
    let is_direction =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || is_line_break || is_direction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_same_value_without_what_a_terminal_obeys() {
        let value = serde_json::json!({ "a\u{9b}b": "\u{7f}\u{202e}\u{2028}é\n" });
        let text = shown_json(&value.to_string());
        assert!(!text.contains(is_obeyed), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_all_else_stays() {
        assert_eq!(shown("é \\ 文件.block").to_string(), "é \\ 文件.block");
        assert_eq!(shown("a\u{1b}[31m\nb\u{202e}\u{9b}").to_string(), "a\\u{1b}[31m\\nb\\u{202e}\\u{9b}");
        let once = shown("\r").to_string();
        assert_eq!(shown(&once).to_string(), once, "showing twice changes nothing");
    }
}
