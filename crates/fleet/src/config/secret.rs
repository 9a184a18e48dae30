//! Secrets do not belong in these files: they come from the environment or a systemd credential.

use toml::de::{DeTable, DeValue};

use super::reader::File;

const TOKEN_PREFIXES: [&str; 8] =
    ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "eyJ", "-----BEGIN"];
const SECRET_KEYS: [&str; 9] = [
    "token",
    "github_token",
    "password",
    "secret",
    "client_secret",
    "private_key",
    "pat",
    "webhook_secret",
    "access_token",
];

/// Whether a text looks like a credential.
pub(super) fn looks_secret(text: &str) -> bool {
    TOKEN_PREFIXES.iter().any(|prefix| text.contains(prefix))
}

/// Whether a text is an address with a user or password in it.
pub(super) fn has_user(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'))
}

/// Whether a key is named after a credential.
pub(super) fn is_secret_key(key: &str) -> bool {
    SECRET_KEYS.contains(&key)
}

/// Notes every secret in a table and below it, without quoting it.
pub(super) fn refuse(table: &DeTable<'_>, file: &File<'_>) {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let is_secret = match value.get_ref() {
            DeValue::Table(inner) => {
                refuse(inner, file);
                false
            }
            DeValue::Array(items) => {
                items.iter().any(|item| item.get_ref().as_str().is_some_and(looks_secret))
            }
            DeValue::String(text) => looks_secret(text) || is_secret_key(name),
            _ => false,
        };
        if is_secret {
            let help = "remove it, and revoke it if others could read this file; give the token as GITHUB_TOKEN in \
                        the environment";
            let message = "a secret does not belong in this file".to_owned();
            file.note(value.span(), name, message, Some(help.to_owned()));
        }
    }
}
