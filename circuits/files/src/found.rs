//! How errors name what was found in place of something else. It may be a secret that is in the wrong place.

/// Text of at most so many characters is repeated whatever it is.
const SHORT: usize = 8;
/// Text of more characters is never repeated.
const LONG: usize = 32;
/// Hexadecimal digits in a row that may be a secret, or a good part of one.
const SECRET_DIGITS: usize = 16;

/// How the parsers of JSON and TOML introduce what they quote, and how the quotation ends. Names are worth repeating,
/// values are not.
const QUOTATIONS: [(&str, char, bool); 5] = [
    ("string \"", '"', false),
    ("integer `", '`', false),
    ("floating point `", '`', false),
    ("unknown field `", '`', true),
    ("unknown variant `", '`', true),
];

/// The text in quotes if it is short and mostly not hexadecimal, and otherwise its length.
#[must_use]
pub fn quoted(text: &str) -> String {
    let count = text.chars().count();
    let others = text.chars().filter(|c| !c.is_ascii_hexdigit()).count();
    if count <= SHORT || count <= LONG && 3 * others >= count {
        format!("{text:?}")
    } else {
        format!("{count} characters")
    }
}

/// Whether `text` holds so many hexadecimal digits in a row that they may be a secret.
#[must_use]
pub fn may_be_secret(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_hexdigit()).any(|digits| digits.len() >= SECRET_DIGITS)
}

/// The message of a parser without the values that it quotes, and without names that may be secrets.
#[must_use]
pub fn without_secrets(message: &str) -> String {
    let mut message = message.to_owned();
    for (start, end, is_name) in QUOTATIONS {
        let Some(start) = message.find(start).map(|position| position + start.len() - 1) else { continue };
        // What is quoted may hold the mark that ends it, what follows does not.
        let rest = &message[start + 1..];
        let length = rest.rfind(&format!("{end}, expected")).or_else(|| rest.rfind(end));
        let Some(length) = length else { continue };
        let found = &rest[..length];
        let shown = if is_name { quoted(found) } else { "(hidden)".to_owned() };
        message.replace_range(start..start + 1 + length + 1, &shown);
    }
    hide_digits(&message)
}

fn hide_digits(message: &str) -> String {
    let mut shown = String::new();
    for part in message.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let digits = part.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        shown.push_str(if digits.len() >= SECRET_DIGITS { "(hidden)" } else { digits });
        shown.push_str(&part[digits.len()..]);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_may_be_a_secret_is_not_repeated() {
        for text in ["12:0\n", "counter", "amont", "block_limits", "0xabc"] {
            assert_eq!(quoted(text), format!("{text:?}"));
        }
        let secret = "c4".repeat(32);
        for text in [&secret, &secret[..9], &format!("{}O{}", &secret[..30], &secret[31..]), &secret[..20]] {
            assert_eq!(quoted(text), format!("{} characters", text.len()));
        }
    }

    #[test]
    fn a_parsers_message_is_shown_without_values_and_secrets() {
        let secret = "c4b6".repeat(15);
        let grouped = "c4b6:9d".repeat(8);
        for (message, shown) in [
            (
                "unknown field `amont`, expected `amount` at line 1".to_owned(),
                "unknown field \"amont\", expected `amount` at line 1",
            ),
            (
                format!("unknown variant `{secret}`, expected `local`"),
                "unknown variant 60 characters, expected `local`",
            ),
            (
                format!("invalid type: string \"{grouped}\", expected u16"),
                "invalid type: string (hidden), expected u16",
            ),
            (
                "invalid type: integer `4646`, expected a string".to_owned(),
                "invalid type: integer (hidden), expected a string",
            ),
            (
                "invalid value: string \"a\", expected b\", expected c".to_owned(),
                "invalid value: string (hidden), expected c",
            ),
            (format!("no such key: {secret}!"), "no such key: (hidden)!"),
            ("missing field `amount` at line 1".to_owned(), "missing field `amount` at line 1"),
        ] {
            assert_eq!(without_secrets(&message), shown, "{message}");
        }
        assert!(may_be_secret(&format!("a/{secret}.json")) && !may_be_secret("bead-faded/2026-11-25.json"));
    }
}
