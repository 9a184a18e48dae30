//! What is read of an answer has a type that makes it fit to be shown.

use azlin_tests::sources::sources;

/// Fields that are plain text, each for a reason: secrets and addresses of the wire, which are never shown or are
/// checked before they are followed, and the words of a refusal, which are read as a whole and quoted.
const RAW: [&str; 18] = [
    "token",
    "message_queue_access_token",
    "url",
    "message_queue_url",
    "body",
    "encoded_jit_config",
    "download_url",
    "filename",
    "sha256_checksum",
    "next_link",
    "message",
    "documentation_url",
    "code",
    "target",
    "status",
    "statuses",
    "provisioning_state",
    "nic",
];

/// Whether a line declares a field of text.
fn field(line: &str) -> Option<&str> {
    let (name, kind) = line.trim().trim_end_matches(',').split_once(": ")?;
    let name = name.rsplit(' ').next()?;
    let inner = kind.trim_start_matches("Option<").trim_start_matches("Vec<").trim_end_matches('>');
    (inner == "String").then_some(name)
}

#[test]
fn no_field_of_an_answer_is_plain_text() {
    let mut fields = 0;
    for source in sources().iter().filter(|source| source.is_production()) {
        let is_adapter =
            ["crates/github/src/", "crates/azure/src/"].iter().any(|root| source.path.starts_with(root));
        if !is_adapter {
            continue;
        }
        let mut is_read = false;
        for (number, line) in source.text.lines().enumerate() {
            let trimmed = line.trim();
            match () {
                () if trimmed.starts_with("#[derive(") || trimmed.starts_with("#[derive(") => {
                    is_read = trimmed.contains("Deserialize");
                }
                () if trimmed == "}" => is_read = false,
                () => {}
            }
            if is_read {
                fields += usize::from(line.contains("ForeignText"));
                if let Some(name) = field(line).filter(|name| !RAW.contains(name)) {
                    panic!(
                        "{}:{}: {name} is read as it comes: give it the type ForeignText",
                        source.path,
                        number + 1
                    );
                }
            }
        }
    }
    assert!(fields > 50, "the test finds the fields of answers: {fields}");
}
