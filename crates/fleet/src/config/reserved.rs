//! Names that a fleet may choose for its VMs, except those that Azure reserves.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::reader::Table;
use super::vm::spelled;

/// Names of administrators that Azure refuses (REST: Virtual Machines, OSProfile), as far as they begin with a letter.
const RESERVED_USERS: [&str; 30] = [
    "a",
    "actuser",
    "adm",
    "admin",
    "admin1",
    "admin2",
    "administrator",
    "aspnet",
    "backup",
    "console",
    "david",
    "guest",
    "john",
    "owner",
    "root",
    "server",
    "sql",
    "support",
    "support_388945a0",
    "sys",
    "test",
    "test1",
    "test2",
    "test3",
    "user",
    "user1",
    "user2",
    "user3",
    "user4",
    "user5",
];

/// The name of the administrator account.
pub(super) fn user(value: &DeValue<'_>) -> Result<String, String> {
    spelled(
        value,
        "1 to 32 of a-z 0-9 _ -, beginning with a letter; neither \"runner\", which jobs run as, nor a name that Azure \
         reserves, such as \"admin\", \"root\", \"test\" or \"user\"",
        |text| {
            let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
            (1..=32).contains(&text.len())
                && text.chars().all(valid)
                && text.starts_with(|c: char| c.is_ascii_lowercase())
                && text != "runner"
                && !RESERVED_USERS.contains(&text)
        },
    )
}

/// Azure docs, Tag your resources: limitations. Some of the fifty tags are ours.
pub(super) fn tags(table: &mut Table<'_, '_>) -> BTreeMap<String, String> {
    let tags = table.table("tags");
    let span = tags.span();
    let tags = tags.chosen(|key, value| {
        let begins_with = |prefix: &&str| key.to_ascii_lowercase().starts_with(prefix);
        if begins_with(&"azlin-") {
            return Err("tags whose name does not begin with azlin-, as the daemon's own do".to_owned());
        }
        if ["azure", "microsoft", "windows"].iter().any(begins_with) {
            let allowed =
                "tags whose name does not begin with azure, microsoft or windows, which Azure reserves";
            return Err(allowed.to_owned());
        }
        if key.is_empty() || key.len() > 512 || key.contains(['<', '>', '%', '&', '\\', '?', '/']) {
            return Err("tags whose name has 1 to 512 characters and none of < > % & \\ ? /".to_owned());
        }
        spelled(value, "text in quotes, at most 256 characters", |text| text.chars().count() <= 256)
    });
    if tags.len() > 40 {
        table.wrong(span, "tags", format!("found {} tags; allowed: at most 40", tags.len()));
    }
    tags
}

#[cfg(test)]
mod tests {
    use crate::config::Fleet;

    #[test]
    fn what_azure_reserves_is_refused_when_the_file_is_read() {
        for (vm, is_good) in [
            ("admin_user = \"ci\"", true),
            ("admin_user = \"tester\"", true),
            ("admin_user = \"test\"", false),
            ("admin_user = \"user\"", false),
            ("admin_user = \"a\"", false),
            ("admin_user = \"adm\"", false),
            ("admin_user = \"support_388945a0\"", false),
            ("admin_user = \"123\"", false),
            ("admin_user = \"runner\"", false),
            ("tags = { team = \"x\", \"my-azure\" = \"y\" }", true),
            ("tags = { Azure-cost = \"x\" }", false),
            ("tags = { microsoftTeam = \"x\" }", false),
            ("tags = { windows = \"x\" }", false),
            ("tags = { azlin-pool = \"x\" }", false),
        ] {
            let source = format!(
                "repo = \"o/r\"\n[vm]\nsubscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\n\
                 location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\"]\n\
                 image = \"Canonical:ubuntu-24_04-lts:server:latest\"\n\
                 subnet_id = \"/subscriptions/0/resourceGroups/rg/providers/x/s\"\n{vm}\n"
            );
            let read = Fleet::parse("ci.toml", "ci".parse().expect("a name"), &source);
            assert_eq!(read.is_ok(), is_good, "{vm}");
        }
    }
}
