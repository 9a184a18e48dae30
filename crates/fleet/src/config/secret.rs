//! Secrets are not allowed in these files: they come from the environment or a systemd credential.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

const TOKEN_PREFIXES: [&str; 8] =
    ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "eyJ", "-----BEGIN"];
/// The endings of credentials' names.
const SECRET_ENDS: [&str; 9] =
    ["token", "secret", "password", "passwd", "passphrase", "private_key", "api_key", "access_key", "_pat"];

/// Whether a text looks like a credential.
pub(super) fn looks_secret(text: &str) -> bool {
    TOKEN_PREFIXES.iter().any(|prefix| text.contains(prefix))
}

/// Whether a text is a URL with a user or password in it.
pub(super) fn has_user(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'))
}

/// Whether the name of a key is that of a credential.
pub(super) fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    // These keys hold a path, not a key.
    !matches!(key.as_str(), "ssh_private_key" | "app_private_key")
        && (key == "pat" || SECRET_ENDS.iter().any(|end| key.ends_with(end)))
}

/// Whether lines of a configuration file may be shown: no value and no key in them looks like a credential,
/// whether or not the lines are TOML.
pub fn may_be_shown(lines: &str) -> bool {
    let is_harmless = |line: &str| {
        let is_named = line.split('=').rev().skip(1).any(|before| {
            let word = before.trim_end().rsplit([' ', '\t', '.', '#', ',', '{', ':']).next();
            is_secret_key(word.unwrap_or_default().trim_matches(['"', '\'']))
        });
        !is_named && !looks_secret(line) && !has_user(line) && !holds_hash(line)
    };
    lines.lines().all(is_harmless)
}

/// Whether a line holds exactly forty hexadecimal digits in a row, like GitHub's old tokens. A commit's hash
/// looks the same, so such a line is not refused.
fn holds_hash(line: &str) -> bool {
    let words = line.split(|c: char| !c.is_ascii_alphanumeric());
    words.into_iter().any(|word| word.len() == 40 && word.chars().all(|c| c.is_ascii_hexdigit()))
}

/// Reports every secret in a table and below it, without quoting it.
pub(super) fn each_secret(table: &DeTable<'_>, path: &str, note: &dyn Fn(Range<usize>, &str)) {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        if let DeValue::Table(inner) = value.get_ref() {
            each_secret(inner, &path, note);
        } else if holds_secret(value.get_ref()) || (is_secret_key(name) && value.get_ref().is_str()) {
            note(value.span(), &path);
        }
    }
}

fn holds_secret(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(text) => looks_secret(text),
        DeValue::Array(items) => items.iter().any(|item| holds_secret(item.get_ref())),
        DeValue::Table(table) => table.iter().any(|(key, value)| {
            holds_secret(value.get_ref()) || (is_secret_key(key.get_ref()) && value.get_ref().is_str())
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_unless_it_may_hold_a_secret() {
        for (line, may) in [
            ("repo = \"o/r\"", true),
            ("image = \"Canonical:ubuntu-24_04-lts:server:latest\"", true),
            ("# the token comes from the environment", true),
            ("max_runners = 3\npriority = 1", true),
            ("repo = \"ghp_0123", false),
            ("token = hunter2", false),
            ("  #  github.\"token\" = hunter2", false),
            ("max_runners = 3\npassword = \"x\"", false),
            ("api_url = \"https://ci:hunter2@ghes.example\"", false),
            ("ssh_private_key = \"/etc/azlin/key\"", true),
            ("subscription_id = \"00000000-0000-0000-0000-000000000000\"", true),
            ("# tokens are counted = 3", true),
            ("GITHUB_TOKEN = \"hunter2\"", false),
            ("client-secret = \"hunter2\"", false),
            ("# old: token = \"hunter2\"", false),
            ("tags = { team = \"a\", Token = \"hunter2\" }", false),
            ("vm.tags.\"api_key\" = \"hunter2\"", false),
            ("labels = [\"0123456789abcdef0123456789ABCDEF01234567\"]", false),
        ] {
            assert_eq!(may_be_shown(line), may, "{line}");
        }
    }
}
