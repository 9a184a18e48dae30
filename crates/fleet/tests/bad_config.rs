//! What people get wrong in a file, and what they are told: where, what, and what is right.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use azlin_fleet::config::{DaemonConfig, Fleet, ProblemKind, Problems};
use proptest::prelude::*;

mod bad_files;

use bad_files::{DAEMON, FLEET, GOOD, GOOD_DAEMON, SECRETS};

type Parse = fn(&str) -> Result<(), Problems>;

fn fleet(text: &str) -> Result<(), Problems> {
    let pool = "ci".parse().expect("a valid name");
    Fleet::parse("ci.toml", pool, text).map(drop)
}

fn daemon(text: &str) -> Result<(), Problems> {
    DaemonConfig::parse("azlin.toml", text).map(drop)
}

/// Each problem is at a place in the text, has a key unless the text is not TOML, and says what is right.
fn has_place_and_cure(text: &str, problems: &Problems) -> Result<(), String> {
    let check = |is_good: bool, what: &str| {
        if is_good { Ok(()) } else { Err(format!("{what} in {problems:?}, of {text:?}")) }
    };
    check(!problems.0.is_empty(), "no problem")?;
    for problem in &problems.0 {
        let lines: Vec<&str> = text.split('\n').collect();
        let line = lines.get(problem.line - 1).copied();
        check(
            line.is_some_and(|line| problem.column <= line.chars().count() + 1),
            "a place outside of the text",
        )?;
        check(text.get(problem.span.clone()).is_some(), "a span outside of the text")?;
        let is_syntax = problem.kind == ProblemKind::Syntax;
        check(problem.key.is_empty() == is_syntax, "no key")?;
        check(!is_syntax || problem.message.starts_with("this is not TOML: "), "not said to be no TOML")?;
        let says_what_is_right = problem.help.is_some() || problem.message.contains("allowed");
        check(says_what_is_right, "no cure")?;
    }
    Ok(())
}

fn tell(rows: &[(&str, String)], parse: Parse) -> String {
    let mut told = Vec::new();
    for (what, text) in rows {
        let problems = parse(text).expect_err(what);
        has_place_and_cure(text, &problems).unwrap_or_else(|why| panic!("{what}: {why}"));
        told.push(format!("== {what}\n{problems}"));
    }
    let told = told.join("\n\n");
    for secret in SECRETS {
        assert!(!told.contains(secret), "a secret was printed");
    }
    told
}

/// The good file with lines in place of others.
fn with(good: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(good.to_owned(), |text, (line, instead)| {
        assert!(text.contains(line), "{line:?} is in the example");
        text.replacen(line, instead, 1)
    })
}

#[test]
fn each_mistake_in_a_fleets_file_has_its_line_and_its_cure() {
    let rows: Vec<(&str, String)> =
        FLEET.iter().map(|(what, changes)| (*what, with(GOOD, changes))).collect();
    insta::assert_snapshot!(tell(&rows, fleet));
}

#[test]
fn each_mistake_in_the_daemons_file_too() {
    let rows: Vec<(&str, String)> = DAEMON.iter().map(|(what, text)| (*what, (*text).to_owned())).collect();
    insta::assert_snapshot!(tell(&rows, daemon));
}

#[test]
fn there_are_a_hundred_and_more() {
    assert!(FLEET.len() + DAEMON.len() >= 100);
}

#[test]
fn all_problems_are_told_at_once() {
    let text =
        with(GOOD, &[("#min_runners = 0", "min_runners = \"a\""), ("#priority = 100", "priority = \"b\"")]);
    assert_eq!(fleet(&text).map_err(|problems| problems.0.len()), Err(2));
}

/// Which lines are shown beside what is wrong with them.
#[test]
fn a_line_with_a_secret_is_not_quoted_and_those_beside_it_are() {
    let quotable = |text: &str| {
        let problems =
            fleet(&format!("# What is missing is told at the first line.\n{text}")).expect_err(text).0;
        let of = |line: usize| problems.iter().filter(move |problem| problem.line == line);
        (2..=4).map(|line| of(line).map(|problem| problem.is_quotable).collect()).collect::<Vec<Vec<bool>>>()
    };
    let token = "ghp_0123456789abcdef0123456789abcdef0123";
    let apart = format!("labels = 5\ntoken = \"{token}\"\npriority = \"b\"\n");
    assert_eq!(quotable(&apart), [vec![true], vec![false], vec![true]]);
    let together =
        format!("labels = 5\nscaling = {{ token = \"{token}\", max_runners = \"b\" }}\npriority = 1\n");
    assert_eq!(quotable(&together), [vec![true], vec![false, false], vec![]]);
    let in_a_list = format!("labels = [\n\"{token}\"]\npriority = \"b\"\n");
    assert!(quotable(&in_a_list)[..2].concat().iter().all(|is_quotable| !is_quotable));
    assert_eq!(
        quotable("repo = \"https://me:hunter2@github.com\"\n")[0],
        [false],
        "of no key that is a secret"
    );
}

#[test]
fn a_secret_is_found_however_deep_it_is() {
    for (value, is_secret) in [
        ("[{ token = \"abc\" }]", true),
        ("[{ note = \"ghp_0123456789abcdef0123456789abcdef0123\" }]", true),
        ("[{ note = \"abc\" }]", false),
        ("[{ token = 5 }]", false),
    ] {
        let problems = fleet(&format!("labels = {value}\n")).expect_err("no label is a table");
        let found = problems.0.iter().any(|problem| problem.kind == ProblemKind::Secret);
        assert_eq!(found, is_secret, "{value}");
    }
}

/// Where a key belongs that stands in the wrong place.
#[test]
fn a_key_in_the_wrong_table_is_told_its_own() {
    for (change, expected) in [
        (("[scaling]", "sizes = []\n[scaling]"), "it belongs in [vm]"),
        (("[scaling]", "[scaling]\npriority = 5"), "it belongs at the top level, above the first table"),
        (
            ("[lifecycle]", "[vm.scaling]\nmax_runners = 5\n[lifecycle]"),
            "it belongs at the top level: [scaling]",
        ),
    ] {
        let problems = fleet(&with(GOOD, &[change])).expect_err(expected);
        let helps: Vec<_> = problems.0.iter().filter_map(|problem| problem.help.as_deref()).collect();
        assert!(helps.contains(&expected), "{helps:?}");
    }
}

#[test]
fn a_value_is_quoted_in_part_where_it_is_long() {
    let told = |length: usize| {
        let problems =
            fleet(&with(GOOD, &[("#priority = 100", &format!("priority = \"{}\"", "x".repeat(length)))]));
        problems.expect_err("text for a number").to_string()
    };
    assert!(told(80).contains(&format!("\"{}\"", "x".repeat(80))) && !told(80).contains('…'));
    assert!(told(81).contains(&format!("\"{}\"…", "x".repeat(80))));
}

#[test]
fn a_long_key_may_be_misspelled_more_than_once() {
    let problems = daemon("[limits]\nmax_concurent_provisoning_ops = 3\n").expect_err("no such key");
    assert_eq!(problems.0[0].help.as_deref(), Some("did you mean max_concurrent_provisioning?"));
}

#[test]
fn what_is_allowed_ends_where_it_is_said_to() {
    let image = |image: &str| {
        ("image = \"Canonical:ubuntu-24_04-lts:server:latest\"", format!("image = \"{image}\""))
    };
    let admin = |name: &str| ("#admin_user = \"azureuser\"", format!("admin_user = \"{name}\""));
    let tags = |tags: &str| ("# tags = { team = \"platform\" }", format!("tags = {{ {tags} }}"));
    let many = |count| (0..count).map(|tag| format!("t{tag} = \"x\"")).collect::<Vec<_>>().join(", ");
    let id = |id: &str| {
        let line = "subscription_id = \"00000000-0000-0000-0000-000000000000\"";
        (line, format!("subscription_id = \"{id}\""))
    };
    let regions = |names: [&str; 2]| {
        let region =
            |name| format!("[[vm.elsewhere]]\nlocation = \"{name}\"\nsubnet_id = \"/subscriptions/s\"\n");
        ("# tags = { team = \"platform\" }", names.map(region).concat())
    };
    for ((line, instead), is_good) in [
        (image("a:b:c:d"), true),
        (image("a:b:c:"), false),
        (image("a:b/c:d:e"), false),
        (admin("a-b_9"), true),
        (admin("9a"), false),
        (admin("a.b"), false),
        (admin(&"a".repeat(32)), true),
        (admin(&"a".repeat(33)), false),
        (tags(&many(40)), true),
        (tags(&many(41)), false),
        (tags("\"\" = \"x\""), false),
        (tags(&format!("{} = \"x\"", "k".repeat(512))), true),
        (tags(&format!("{} = \"x\"", "k".repeat(513))), false),
        (tags(&format!("k = \"{}\"", "v".repeat(256))), true),
        (tags(&format!("k = \"{}\"", "v".repeat(257))), false),
        (id("0123456a-0123-0123-0123-0123456789ab"), true),
        (id("0123456z-0123-0123-0123-0123456789ab"), false),
        (id("0123456-a0123-0123-0123-0123456789ab"), false),
        (regions(["northeurope", "swedencentral"]), true),
        (regions(["northeurope", "northeurope"]), false),
        (regions(["northeurope", "westeurope"]), false),
    ] {
        assert_eq!(fleet(&with(GOOD, &[(line, &instead)])).is_ok(), is_good, "{instead}");
    }
}

/// A good file, damaged in some places: bytes cut out, and tokens put in.
fn damaged(good: &'static str) -> impl Strategy<Value = String> {
    let token = prop_oneof![
        "[\\[\\]\"'#=\\n a-z0-9é{},.\\\\]{0,8}",
        prop::sample::select(vec![
            "\"\"\"",
            "'''",
            "[[vm]]",
            "[vm]\n",
            "= =",
            "\u{feff}",
            "\r",
            "\u{0}",
            "repo.x = 1\n",
            "1979-05-27",
            "nan",
            "-0",
            "1e999",
            "99999999999999999999",
            "ghp_x",
            "\\u{12",
            "{ a = 1 }",
            "\n\n[scaling]\nmin_runners = 1\n",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec((0..good.len(), 0_usize..40, token), 1..4).prop_map(|damages| {
        let mut text = good.to_owned();
        for (at, length, token) in damages {
            let (start, end) = (floor(&text, at), floor(&text, at + length));
            text.replace_range(start..end, &token);
        }
        text
    })
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        for parse in [fleet, daemon] {
            if let Err(problems) = parse(&text) {
                has_place_and_cure(&text, &problems).map_err(TestCaseError::fail)?;
            }
        }
    }

    #[test]
    fn no_damage_to_a_fleets_file_makes_it_panic_or_lose_its_place(text in damaged(GOOD)) {
        if let Err(problems) = fleet(&text) {
            has_place_and_cure(&text, &problems).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn no_damage_to_the_daemons_file_makes_it_panic_or_lose_its_place(text in damaged(GOOD_DAEMON)) {
        if let Err(problems) = daemon(&text) {
            has_place_and_cure(&text, &problems).map_err(TestCaseError::fail)?;
        }
    }
}
