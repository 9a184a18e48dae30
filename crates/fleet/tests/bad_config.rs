//! What people get wrong in a fleet's file, and what they are told: where, what, and what is right.

use azlin_fleet::config::{DaemonConfig, Fleet};
use proptest::prelude::*;

const GOOD: &str = include_str!("../../../config/fleets/ci-workers.toml");

fn errors(text: &str) -> String {
    let pool = "ci".parse().expect("a valid name");
    Fleet::parse("ci.toml", pool, text).map_or_else(|problems| problems.to_string(), |_| "good".to_owned())
}

/// The good file with one line changed.
fn with(line: &str, instead: &str) -> String {
    assert!(GOOD.contains(line), "{line:?} is in the example");
    GOOD.replacen(line, instead, 1)
}

#[test]
fn each_mistake_has_its_line_and_its_cure() {
    let repo = "repo = \"myorg/myrepo\"";
    let labels = "labels = [\"linux\", \"docker\"]";
    let cases = [
        with("[scaling]", "[scaling"),
        with("#min_runners = 0", "min_runers = 1"),
        with("#min_runners = 0", "colour = \"blue\""),
        with("#min_runners = 0", "min_runners = \"two\""),
        with("#min_runners = 0", "min_runners = -1"),
        with("#min_runners = 0", "min_runners = 11"),
        with("#cooldown = \"5m\"", "cooldown = 300"),
        with("#cooldown = \"5m\"", "cooldown = \"5 parsecs\""),
        with("#enabled = true", "enabled = \"yes\""),
        with(repo, "repo = \"not a repo\""),
        with(repo, ""),
        with(repo, "repo = \"o/r\"\norg = \"o\""),
        with(labels, "labels = \"linux\""),
        with(labels, "labels = [\"linux\", \"a b\"]"),
        with(labels, "runner_group = \"default\""),
        with(labels, "token = \"ghp_0123456789abcdefghijABCDEFGHIJ012345\""),
        with(labels, "labels = [\"ghp_0123456789abcdefghijABCDEFGHIJ012345\"]"),
        with("#max_job_count = 1", "max_job_count = 3"),
        with("#method = \"cloud-init\"", "method = \"telnet\""),
        with("#method = \"cloud-init\"", "ssh_private_key = \"/etc/azlin/key\""),
        with("#method = \"cloud-init\"", "method = \"ssh\"\nssh_private_key = \"id_ed25519\""),
        with("location = \"westeurope\"", ""),
        with("location = \"westeurope\"", "location = \"West Europe\""),
        with("sizes = [\"Standard_D4s_v5\", \"Standard_D4as_v5\"]", "sizes = []"),
        with("\"Standard_D4as_v5\"", "\"Standard_D4ps_v5\""),
        with("image = \"Canonical:ubuntu-24_04-lts:server:latest\"", "image = \"ubuntu\""),
        with("# max_price = 0.25", "max_price = 0.25"),
        with("# tags = { team = \"platform\" }", "tags = { azlin-pool = \"x\" }"),
        with("[lifecycle]", "scaling = 3"),
    ];
    let told: Vec<String> = cases.iter().map(|text| errors(text)).collect();
    assert!(!told.iter().any(|told| told == "good"), "{told:#?}");
    assert!(!told.iter().any(|told| told.contains("0123456789abcdef")), "a secret was printed: {told:#?}");
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn the_daemons_mistakes_too() {
    let cases = [
        "[poll]\nqueue = \"0s\"",
        "[github]\napi_url = \"http://api.github.com\"",
        "[github]\napi_url = \"https://ci:hunter2@ghes.example/api/v3\"",
        "[github]\napi_url = \"https://ci:hunter2/x@ghes.example\"",
        "[github]\napi_url = \"ci:hunter2@ghes.example/api/v3\"",
        "[github]\napp_id = 7",
        "[http]\nlisten = \"localhost\"",
        "[limits]\nmax_concurrent_provisioning = 0",
        "[github]\ntoken = \"github_pat_11ABCDEFG0123456789\"",
        "pol = 1",
    ];
    let told: Vec<String> = cases
        .iter()
        .map(|text| {
            DaemonConfig::parse("azlin.toml", text)
                .map_or_else(|problems| problems.to_string(), |_| "good".to_owned())
        })
        .collect();
    assert!(!told.iter().any(|told| told.contains("hunter2")), "a password was printed: {told:#?}");
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn all_problems_are_told_at_once() {
    let text = GOOD
        .replace("#min_runners = 0", "min_runners = \"a\"")
        .replace("#priority = 100", "priority = \"b\"");
    assert_eq!(errors(&text).lines().count(), 2);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = errors(&text);
    }

    #[test]
    fn no_damage_to_a_good_file_makes_it_panic_or_lose_its_place(at in 0..GOOD.len(), length in 0_usize..40, junk in "[\\[\\]\"'#=\\n a-z0-9é{},.]{0,8}") {
        let (at, end) = (floor(at), floor((at + length).min(GOOD.len())));
        let text = format!("{}{junk}{}", &GOOD[..at], &GOOD[end.max(at)..]);
        let pool = "ci".parse().expect("a valid name");
        if let Err(problems) = Fleet::parse("ci.toml", pool, &text) {
            prop_assert!(!problems.0.is_empty());
            for problem in problems.0 {
                prop_assert!(problem.line >= 1 && problem.line <= text.lines().count() + 1);
            }
        }
    }
}

fn floor(mut at: usize) -> usize {
    while !GOOD.is_char_boundary(at) {
        at -= 1;
    }
    at
}
