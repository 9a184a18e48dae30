//! Texts from outside, made fit for an error: one line, short, and without a secret.

/// What a secret begins with. The last is that of every JSON web token.
const SECRETS: [&str; 7] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "eyJ"];

/// The longest text of GitHub's that is repeated.
const LONGEST: usize = 200;

/// One line of at most 200 characters, with control characters as blanks, and with everything that
/// is the token or looks like one replaced.
pub(crate) fn fit(text: &str, token: &str) -> String {
    let without = if token.is_empty() { text.to_owned() } else { text.replace(token, "[redacted]") };
    let line = without
        .split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(without_secrets)
        .collect::<Vec<_>>()
        .join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// A word with each run of a token's characters that begins like a secret replaced.
fn without_secrets(word: &str) -> String {
    let is_token_character = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let mut fit = String::new();
    let mut rest = word;
    while let Some(start) = rest.find(is_token_character) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_token_character(c)).unwrap_or(from.len());
        let (run, after) = from.split_at(end);
        fit.push_str(before);
        match SECRETS.iter().filter_map(|secret| run.find(secret)).min() {
            Some(at) => {
                fit.push_str(&run[..at]);
                fit.push_str("[redacted]");
            }
            None => fit.push_str(run),
        }
        rest = after;
    }
    fit + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_texts() {
        for (text, expected) in [
            ("Bad credentials", "Bad credentials"),
            ("two\nlines\tand \u{1b}[31mcolour", "two lines and [31mcolour"),
            ("the token T0P-S3CRET is bad", "the token [redacted] is bad"),
            ("token=ghp_abcDEF123, sorry", "token=[redacted], sorry"),
            ("\"github_pat_11AA_bb\"", "\"[redacted]\""),
            ("Bearer eyJhbGciOi.eyJzdWIi.c2ln end", "Bearer [redacted] end"),
            ("x-ghs_abc", "x-[redacted]"),
        ] {
            assert_eq!(fit(text, "T0P-S3CRET"), expected, "{text:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let cut = fit(&"é".repeat(500), "t");
        assert_eq!(cut.chars().count(), 200);
        assert!(cut.ends_with('…'));
    }
}
