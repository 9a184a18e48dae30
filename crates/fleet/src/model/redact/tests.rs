use proptest::prelude::*;

use super::*;

#[test]
fn what_looks_like_a_secret_is_gone() {
    let upper = "AABF3JGZDX3P5PMEXLND6TS6FCWO6";
    for (text, expected) in [
        ("Bad credentials", "Bad credentials"),
        ("token=ghp_abcDEF123, sorry", "token=[redacted], sorry"),
        ("\"github_pat_11AA_bb\"", "\"[redacted]\""),
        ("Bearer eyJhbGciOi.eyJzdWIi.c2ln end", "Bearer [redacted] end"),
        ("x-ghs_abc", "x-[redacted]"),
        ("token 'eyJhbGci.eyJzdWIi.c2ln', and eyJ0", "token '[redacted]', and [redacted]"),
        ("authorization: Basic dXNlcjpwYXNzd29yZDEyMzQ1", "authorization: Basic [redacted]"),
        ("use basic authentication", "use basic authentication"),
        (&format!("--token {upper} --name x"), "--token [redacted] --name x"),
        ("client_secret=abc~D.e&grant_type=x", "client_secret=[redacted]&grant_type=x"),
        ("{\"customData\": \"I2Nsb\", \"a\":1}", "{\"customData\": \"[redacted]\", \"a\":1}"),
        ("{\\\"password\\\":\\\"hunter2\\\"}", "{\\\"password\\\":\\\"[redacted]\\\"}"),
        ("https://x.blob/log?sv=1&sig=a%2Fb%3D&se=2", "https://x.blob/log?sv=1&sig=[redacted]&se=2"),
        ("by http://joe:hunter2@proxy:3128/", "by http://joe:[redacted]@proxy:3128/"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- x", "[redacted] x"),
        ("-----BEGIN PRIVATE KEY-----\nMII", "[redacted]"),
        ("app_private_key = \"/etc/azlin/key.pem\"", "app_private_key = \"/etc/azlin/key.pem\""),
    ] {
        assert_eq!(secrets(text), expected, "{text:?}");
    }
}

#[test]
fn what_people_need_stays() {
    let rsa = format!("ssh-rsa AAAAB3NzaC1yc2E{} me", "Ab9/".repeat(170));
    for text in [
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B",
        "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/ci/providers/Microsoft.Compute",
        "SHA256:uNiVztksCsDhcc0u9e8BrfXUwXm3Zk3jhTgYmPOPu8M",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtOqGmyCcZ9Rvhnnn2xxXVYXTu8DRdX1fPHCdYaeAbZ",
        "ci-workers-20261127T075059Z-00-a1b2",
        "request 8D5A:3F2C:1A2B3C:4D5E6F:6561A2B3, 12345678901234567890123456789",
        &rsa,
    ] {
        assert_eq!(secrets(text), text);
    }
}

#[test]
fn a_line_is_one_line_and_short() {
    for (text, expected) in [
        ("two\nlines\tand \u{1b}[31mcolour", "two lines and [31mcolour"),
        ("secret hunter2 is wrong", "secret [redacted] is wrong"),
    ] {
        assert_eq!(line(text, &["hunter2", ""]), expected);
    }
    assert_eq!(line("no a\u{19}secret here", &["a secret"]), "no [redacted] here", "as it is shown");
    let cut = line(&"é ".repeat(500), &[]);
    assert_eq!((cut.chars().count(), cut.ends_with('…')), (LONGEST, true));
}

/// A secret of some kind, and the part of it that must not be shown.
fn secret() -> impl Strategy<Value = (String, String)> {
    let whole = |text: String| (text.clone(), text);
    prop_oneof![
        "gh[pousr]_[A-Za-z0-9]{36}".prop_map(whole),
        "github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}".prop_map(whole),
        "eyJ[A-Za-z0-9_-]{20,60}\\.[A-Za-z0-9_-]{40}\\.[A-Za-z0-9_-]{40}".prop_map(whole),
        "[A-Z]{4}[A-Z2-7]{25}".prop_map(whole),
        "[A-Za-z0-9~._-]{34}".prop_map(|key| (format!("client_secret={key}"), key)),
        "[A-Za-z0-9~._-]{40}".prop_map(|key| (format!("Authorization: Bearer {key}"), key)),
        "I2Nsb3VkLWNvbmZpZw[A-Za-z0-9+/]{40}".prop_map(whole),
        "[B-Zb-z]{4}[A-Za-z0-9+/]{240}".prop_map(whole),
    ]
}

proptest! {
    #[test]
    fn no_secret_gets_through_wherever_it_stands(
        (text, hidden) in secret(),
        before in "[ a-z0-9:;,'\"(]{0,20}[ :;,'\"(]",
        after in "[ ;,'\")\n][ a-z0-9:;,'\")]{0,20}",
    ) {
        let told = format!("{before}{text}{after}");
        prop_assert!(!secrets(&told).contains(&hidden), "{}", secrets(&told));
        prop_assert!(!line(&told, &[]).contains(&hidden));
    }

    #[test]
    fn what_is_clean_stays_as_it_is(text in ".{0,200}") {
        let once = secrets(&text).into_owned();
        prop_assert_eq!(secrets(&once).into_owned(), once.clone(), "a second pass changes nothing");
    }
}
