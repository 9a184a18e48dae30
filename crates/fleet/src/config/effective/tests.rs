use super::*;
use crate::config::NamedFiles;
use crate::fixture::at;

const VM: &str = "[vm]\nsubscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\n\
        location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\"]\nimage = \"a:b:c:d\"\nsubnet_id = \"/subscriptions/0/s\"\n";

/// Files by pool name; `None` is a bad file.
fn found(files: &[(&str, Option<&str>)]) -> FoundFiles {
    let mut found = FoundFiles::default();
    for (pool, text) in files {
        let name: PoolName = pool.parse().expect("a name");
        let file = format!("{pool}.toml");
        match text {
            Some(scaling) => {
                let text = format!("repo = 'o/r'\n[scaling]\n{scaling}\n{VM}");
                let fleet = Fleet::parse(&file, name.clone(), &text).expect("a good file");
                found.good.insert(name, (fleet, text));
            }
            None => {
                let bad = BadFile { pool: Some(name), message: "bad".to_owned() };
                found.bad.insert(file, bad);
            }
        }
    }
    found
}

fn told(news: &[ConfigChange]) -> String {
    let told = news.iter().map(|news| match news {
        ConfigChange::Added(pool) => format!("+{pool}"),
        ConfigChange::Changed(pool, what) => format!("{pool}: {}", what.join(", ")),
        ConfigChange::Removed(pool) => format!("-{pool}"),
        ConfigChange::Bad { file, effective: true, .. } => format!("{file} bad, goes on"),
        ConfigChange::Bad { file, effective: false, .. } => format!("{file} bad, untouched"),
        ConfigChange::Fixed(file) => format!("{file} good"),
    });
    told.collect::<Vec<_>>().join("; ")
}

fn maximums(effective: &EffectiveConfig) -> String {
    let each = effective.fleets().map(|(fleet, _)| format!("{} {}", fleet.name, fleet.scaling.max_runners));
    each.collect::<Vec<_>>().join(", ")
}

#[test]
fn the_last_good_file_of_each_fleet_is_in_force() {
    let good = |most| Some(most);
    let mut effective = EffectiveConfig::default();
    /// A situation, its files, the reported changes, and the effective maximum of each fleet.
    type FilesRow<'t> = (&'t str, Vec<(&'t str, Option<&'t str>)>, &'t str, &'t str);
    let steps: Vec<FilesRow<'_>> = vec![
        (
            "a cold start with a bad file",
            vec![("a", good("max_runners = 3")), ("b", None)],
            "b.toml bad, untouched; +a",
            "a 3",
        ),
        ("the same again", vec![("a", good("max_runners = 3")), ("b", None)], "", "a 3"),
        ("a comment", vec![("a", good("# why\nmax_runners = 3")), ("b", None)], "", "a 3"),
        (
            "it is fixed",
            vec![("a", good("max_runners = 3")), ("b", good(""))],
            "b.toml good; +b",
            "a 3, b 10",
        ),
        (
            "a number",
            vec![("a", good("max_runners = 4")), ("b", good(""))],
            "a: scaling.max_runners 3 → 4",
            "a 4, b 10",
        ),
        ("one goes bad", vec![("a", None), ("b", good(""))], "a.toml bad, goes on", "a 4, b 10"),
        (
            "and is as it was",
            vec![("a", good("max_runners = 4")), ("b", good(""))],
            "a.toml good",
            "a 4, b 10",
        ),
        ("one goes bad, then goes", vec![("a", None), ("b", good(""))], "a.toml bad, goes on", "a 4, b 10"),
        ("", vec![("b", good(""))], "-a", "b 10"),
        ("it comes back bad", vec![("a", None), ("b", good(""))], "a.toml bad, untouched", "b 10"),
        ("all go", vec![], "-b", ""),
    ];
    for (second, (situation, files, news, maxima)) in (0..).zip(steps) {
        assert_eq!(told(&effective.take(found(&files), at(second))), news, "{situation}");
        assert_eq!(maximums(&effective), maxima, "{situation}");
    }
}

#[test]
fn another_content_of_a_named_file_is_a_change() {
    let with = |script: &'static str| {
        let text = format!("repo = 'o/r'\n[bootstrap]\nsetup = 'setup.sh'\n{VM}");
        let read = move |_: &str| Ok(format!("#!/bin/sh\n{script}\n"));
        let (defaults, files) = (crate::config::FleetDefaults::default(), NamedFiles::Read(&read));
        let pool: PoolName = "a".parse().expect("a name");
        let fleet = Fleet::parse_with("a.toml", pool.clone(), &text, &defaults, files).expect("a good file");
        FoundFiles { good: [(pool, (fleet, text))].into(), ..FoundFiles::default() }
    };
    let mut effective = EffectiveConfig::default();
    effective.take(with("true"), at(0));
    assert_eq!(told(&effective.take(with("true"), at(1))), "");
    let changed = told(&effective.take(with("false"), at(2)));
    assert_eq!(changed, "a: bootstrap.setup: another content of \"setup.sh\"");
}

#[test]
fn a_file_is_bad_since_it_first_was() {
    let mut effective = EffectiveConfig::default();
    for second in [5, 6, 7] {
        effective.take(found(&[("a", None)]), at(second));
    }
    let since: Vec<Timestamp> = effective.bad().map(|(_, _, since)| since).collect();
    assert_eq!(since, [at(5)]);
}
