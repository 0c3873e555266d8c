//! TOML that users write.

use serde::de::DeserializeOwned;

use crate::found::without_secrets;

/// Reads TOML.
///
/// # Errors
/// One line: where the trouble is, and what was expected there. It quotes no line and no value, and a name only if it
/// cannot be a secret.
pub fn parse_toml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = 1 + before.matches('\n').count();
        let field = before.rsplit('\n').next().and_then(|start| start.split_once('='));
        let field = field.map(|(field, _)| field.trim()).filter(|field| is_bare_key(field));
        let field = field.map_or_else(String::new, |field| format!("{field}: "));
        format!("line {line}: {field}{}", without_secrets(error.message()))
    })
}

/// Whether `text` is a key as all of ours are, and no value that somebody wrote in its place.
fn is_bare_key(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Example {
        name: String,
        number: u16,
    }

    #[test]
    fn an_error_names_line_and_field_and_repeats_no_value() {
        for (text, start, part) in [
            ("name = 4646464646464646\nnumber = 1", "line 1: name: invalid type: integer", "46"),
            ("name = \"x\"\nnumber = \"c4b6c4b6\"", "line 2: number: invalid type: string", "c4b"),
            ("name = \"x\"\nnumber = 464646", "line 2: number: invalid value: integer", "46"),
            ("name = \"x\"\nnumber = 4646.46", "line 2: number: invalid type: floating point", "46"),
            ("name = \"c4b6\n", "line 1: name: ", "c4b"),
            ("name = c4b6", "line 1: name: ", "c4b"),
            ("name", "line 1: ", "c4b"),
        ] {
            let message = parse_toml::<Example>(text).unwrap_err();
            assert!(message.starts_with(start), "{text:?}: {message}");
            assert!(!message.contains(part) && !message.contains('\n'), "{text:?}: {message}");
        }
        let message = parse_toml::<Example>("name = \"x\"\nnumber = 1\nnane = 1").unwrap_err();
        assert!(message.starts_with("line 3: ") && message.contains("nane"), "{message}");
    }
}
