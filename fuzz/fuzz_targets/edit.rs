//! An edit of valid TOML leaves valid TOML. The same edit a second time changes nothing.

#![no_main]

use azlin_fleet::config::edit::{KeyChange, Literal, edit};
use azlin_fleet::config::{Faulty, FleetDefaults, NamedFiles, ProblemKind};
use libfuzzer_sys::fuzz_target;

/// The edited text, and whether it is TOML.
fn edited(text: &str, change: &KeyChange) -> (String, bool) {
    let pool = "ci".parse().expect("a valid name");
    match edit("ci.toml", &pool, text, std::slice::from_ref(change), &FleetDefaults::default(), NamedFiles::Unread) {
        Ok((text, _)) => (text, true),
        Err(Faulty { text, problems }) => {
            let is_toml = problems.0.iter().all(|problem| problem.kind != ProblemKind::Syntax);
            (text, is_toml)
        }
    }
}

fuzz_target!(|text: &str| {
    let (_, is_toml) = edited(text, &KeyChange::remove("no.such.key"));
    if !is_toml {
        return;
    }
    let tag = KeyChange::set("vm.tags.team", Literal::Text("a".to_owned()));
    for change in [
        KeyChange::set("enabled", Literal::Flag(true)),
        KeyChange::set("scaling.max_runners", Literal::Number(7)),
        KeyChange::set("labels", Literal::List(vec!["a".to_owned()])),
        KeyChange::remove("scaling.manual_count"),
        KeyChange::remove("repo"),
        tag,
    ] {
        let (once, is_toml) = edited(text, &change);
        assert!(is_toml, "{change:?} made {once:?}");
        assert_eq!(edited(&once, &change).0, once, "{change:?}");
    }
});
