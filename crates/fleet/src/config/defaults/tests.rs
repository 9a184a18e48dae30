use super::*;
use crate::config::{DaemonConfig, Fleet, NamedFiles, ProblemKind, changes};

const DAEMON: &str = "\
[defaults]
labels = ['linux']
org = 'acme'

[defaults.scaling]
max_runners = 5

[defaults.vm]
subscription_id = '00000000-0000-0000-0000-000000000000'
resource_group = 'rg'
location = 'westeurope'
sizes = ['Standard_D4s_v5']
image = 'a:b:c:d'
subnet_id = '/subscriptions/0/s'
tags = { team = 'ci', cost = '7' }
";

fn parse(defaults: &str, text: &str) -> Result<Fleet, crate::config::Problems> {
    let pool = "ci".parse().expect("a valid name");
    Fleet::parse_with("ci.toml", pool, text, &FleetDefaults::of(defaults), NamedFiles::Unread)
}

fn fleet(text: &str) -> Fleet {
    parse(DAEMON, text).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn a_fleets_own_value_stands_before_the_default() {
    let empty = fleet("");
    assert_eq!(empty.scope.to_string(), "org:acme");
    assert_eq!((empty.scaling.max_runners, empty.vm.location.as_str()), (5, "westeurope"));
    assert!(empty.from_defaults.contains("vm.tags.team"), "{:?}", empty.from_defaults);

    let own = fleet(
        "repo = 'o/r'\nlabels = ['arm']\n[scaling]\nmin_runners = 1\nmax_runners = 3\n[vm]\nlocation = 'northeurope'\n\
         [vm.tags]\nteam = 'web'\n",
    );
    assert_eq!(own.scope.to_string(), "repo:o/r", "the default scope is left out");
    assert_eq!(own.labels.iter().map(ToString::to_string).collect::<Vec<_>>(), ["arm"]);
    assert_eq!((own.scaling.max_runners, own.vm.location.as_str()), (3, "northeurope"));
    assert_eq!(own.vm.tags.get("team").map(String::as_str), Some("web"));
    assert_eq!(own.vm.tags.get("cost").map(String::as_str), Some("7"));
    let from: Vec<&str> = own.from_defaults.iter().map(String::as_str).collect();
    assert_eq!(
        from,
        ["vm.image", "vm.resource_group", "vm.sizes", "vm.subnet_id", "vm.subscription_id", "vm.tags.cost"]
    );
}

/// A VM keeps its hash when its owner moves a value between the files.
#[test]
fn a_value_shapes_a_vm_alike_wherever_it_is_from() {
    let there = fleet("repo = 'o/r'\n[vm]\nlocation = 'northeurope'\n");
    let moved = DAEMON.replace("westeurope", "northeurope");
    let here = parse(&moved, "repo = 'o/r'\n").unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(there.config_hash(), here.config_hash());
}

#[test]
fn a_change_of_a_default_is_a_change_of_the_fleets_that_it_holds_for() {
    let (before, after) =
        (FleetDefaults::of(DAEMON), FleetDefaults::of(&DAEMON.replace("westeurope", "northeurope")));
    let told = |text: &str| changes(&before.added_to(text), &after.added_to(text)).join("; ");
    assert_eq!(told("repo = 'o/r'\n"), "vm.location \"westeurope\" → \"northeurope\"");
    assert_eq!(told("repo = 'o/r'\n[vm]\nlocation = 'uksouth'\n"), "");
    let repo = before.added_to("repo = 'o/r'\n");
    assert!(!repo.contains("acme"), "{repo}");
}

/// What is wrong with `[defaults]` alone is a problem of azlin.toml, at its own line.
#[test]
fn a_bad_default_has_its_line_in_azlin_toml() {
    for (situation, text, place, says) in [
        ("a value", "[defaults.scaling]\nmax_runners = 'x'\n", (2, 15), "allowed: a whole number"),
        ("a typo", "[defaults.vm]\nlocaton = 'westeurope'\n", (2, 1), "did you mean location?"),
        ("a wrong table", "[defaults.vm]\nmin_runners = 1\n", (2, 1), "it belongs in [defaults.scaling]"),
        ("no table", "defaults = 1\n", (1, 12), "allowed: a table, [defaults]"),
        (
            "a conflict",
            "[defaults.scaling]\nmin_runners = 3\nmax_runners = 2\n",
            (2, 15),
            "more than max_runners",
        ),
        ("half a region", "[[defaults.vm.elsewhere]]\nlocation = 'uksouth'\n", (1, 1), "this key is missing"),
        (
            "a secret",
            "[defaults.vm.tags]\nteam = 'ghp_0123456789abcdef'\n",
            (2, 8),
            "a secret does not belong",
        ),
    ] {
        let problems = DaemonConfig::parse("azlin.toml", text).expect_err(situation);
        let problem = &problems.0[0];
        assert_eq!((problem.line, problem.column), place, "{situation}: {problems}");
        assert!(problems.to_string().contains(says), "{situation}: {problems}");
    }
    DaemonConfig::parse("azlin.toml", DAEMON).unwrap_or_else(|problems| panic!("{problems}"));
    DaemonConfig::parse("azlin.toml", "[defaults]\nlabels = ['a']\n")
        .expect("nothing is required of defaults");
}

/// A conflict between a default and a fleet's own value says where the default is from, and quotes no line of the
/// fleet's file as its place.
#[test]
fn a_default_that_contradicts_a_fleet_is_named() {
    let text = "repo = 'o/r'\nlabels = ['a']\n";
    let daemon = format!("{DAEMON}spot = true\nspot_share = 50\n");
    parse(&daemon, text).unwrap_or_else(|problems| panic!("{problems}"));
    let problems = parse(&daemon, &format!("{text}[vm]\nspot = false\n")).expect_err("a share of none");
    let problem = &problems.0[0];
    assert_eq!((problem.kind, problem.key.as_str()), (ProblemKind::Conflict, "vm.spot_share"));
    assert!(problem.message.ends_with("; its value is from [defaults] of azlin.toml"), "{problems}");
    assert!(!problem.is_quotable);
}

#[test]
fn a_text_that_is_not_toml_has_no_defaults() {
    assert!(FleetDefaults::of("[defaults\nlabels = ").keys().is_empty());
    assert_eq!(FleetDefaults::of("[").added_to("repo = 'o/r'\n"), "repo = 'o/r'\n");
}
