//! Which configuration is in force: the last good file of each fleet.
//!
//! A bad file stops no fleet: its fleet keeps the last good configuration, and one that never had a good file is
//! not touched. When a file is removed, its fleet and the fleet's VMs are left alone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Fleet, changes};
use crate::names::PoolName;

/// The files of a directory, as they were found.
#[derive(Debug, Default)]
pub struct FoundFiles {
    /// Fleets whose files are good, with the text.
    pub good: BTreeMap<PoolName, (Fleet, String)>,
    /// Bad files, by name.
    pub bad: BTreeMap<String, BadFile>,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFile {
    /// The fleet, if the name of the file is a good one.
    pub pool: Option<PoolName>,
    /// Everything that is wrong with it.
    pub message: String,
}

/// The configuration in force, and the bad files.
#[derive(Debug, Default)]
pub struct InForce {
    fleets: BTreeMap<PoolName, (Fleet, String)>,
    bad: BTreeMap<String, (BadFile, Timestamp)>,
}

/// A change of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// A new fleet.
    Added(PoolName),
    /// A fleet's file has changed, and how.
    Changed(PoolName, Vec<String>),
    /// A fleet's file was removed: its VMs are left alone.
    Removed(PoolName),
    /// A file is bad. With `in_force` its fleet goes on with the last good one.
    Bad {
        /// Its name.
        file: String,
        /// What is wrong.
        message: String,
        /// Whether its fleet has an earlier configuration to go on with.
        in_force: bool,
    },
    /// A file that was bad is good again.
    Fixed(String),
}

impl InForce {
    /// Puts the files that were found in force; returns what has changed.
    pub fn take(&mut self, found: FoundFiles, now: Timestamp) -> Vec<ConfigChange> {
        let mut news = Vec::new();
        let is_bad = |pool: &PoolName| found.bad.values().any(|bad| bad.pool.as_ref() == Some(pool));
        let gone: Vec<PoolName> = (self.fleets.keys())
            .filter(|pool| !found.good.contains_key(*pool) && !is_bad(pool))
            .cloned()
            .collect();
        for pool in gone {
            self.fleets.remove(&pool);
            news.push(ConfigChange::Removed(pool));
        }
        let is_mended = |file: &String, bad: &BadFile| {
            !found.bad.contains_key(file)
                && bad.pool.as_ref().is_some_and(|pool| found.good.contains_key(pool))
        };
        let mended = self.bad.iter().filter(|(file, (bad, _))| is_mended(file, bad));
        news.extend(mended.map(|(file, _)| ConfigChange::Fixed(file.clone())));
        for (file, bad) in &found.bad {
            if self.bad.get(file).is_some_and(|(before, _)| before == bad) {
                continue;
            }
            let in_force = bad.pool.as_ref().is_some_and(|pool| self.fleets.contains_key(pool));
            news.push(ConfigChange::Bad { file: file.clone(), message: bad.message.clone(), in_force });
        }
        let mut before = std::mem::take(&mut self.bad);
        for (file, bad) in found.bad {
            let since = before.remove(&file).map_or(now, |(_, since)| since);
            self.bad.insert(file, (bad, since));
        }
        for (pool, (fleet, text)) in found.good {
            match self.fleets.get(&pool) {
                None => news.push(ConfigChange::Added(pool.clone())),
                Some((before, _)) if *before == fleet => {}
                Some((_, old)) => news.push(ConfigChange::Changed(pool.clone(), changes(old, &text))),
            }
            self.fleets.insert(pool, (fleet, text));
        }
        news
    }

    /// The fleets, each with the text of its file.
    pub fn fleets(&self) -> impl Iterator<Item = (&Fleet, &str)> {
        self.fleets.values().map(|(fleet, text)| (fleet, text.as_str()))
    }

    /// The files that are bad, and since when.
    pub fn bad(&self) -> impl Iterator<Item = (&str, &BadFile, Timestamp)> {
        self.bad.iter().map(|(file, (bad, since))| (file.as_str(), bad, *since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    const VM: &str = "[vm]\nsubscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\n\
        location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\"]\nimage = \"a:b:c:d\"\nsubnet_id = \"/subscriptions/0/s\"\n";

    /// Files by the names of pools; `None` where one is bad.
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
            ConfigChange::Bad { file, in_force: true, .. } => format!("{file} bad, goes on"),
            ConfigChange::Bad { file, in_force: false, .. } => format!("{file} bad, untouched"),
            ConfigChange::Fixed(file) => format!("{file} good"),
        });
        told.collect::<Vec<_>>().join("; ")
    }

    fn maximums(in_force: &InForce) -> String {
        let each =
            in_force.fleets().map(|(fleet, _)| format!("{} {}", fleet.name, fleet.scaling.max_runners));
        each.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn the_last_good_file_of_each_fleet_is_in_force() {
        let good = |most| Some(most);
        let mut in_force = InForce::default();
        /// A situation, its files, what is told, and the maximum of each fleet in force.
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
                "it is mended",
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
            (
                "one goes bad, then goes",
                vec![("a", None), ("b", good(""))],
                "a.toml bad, goes on",
                "a 4, b 10",
            ),
            ("", vec![("b", good(""))], "-a", "b 10"),
            ("it comes back bad", vec![("a", None), ("b", good(""))], "a.toml bad, untouched", "b 10"),
            ("all go", vec![], "-b", ""),
        ];
        for (second, (situation, files, news, maxima)) in (0..).zip(steps) {
            assert_eq!(told(&in_force.take(found(&files), at(second))), news, "{situation}");
            assert_eq!(maximums(&in_force), maxima, "{situation}");
        }
    }

    #[test]
    fn a_file_is_bad_since_it_first_was() {
        let mut in_force = InForce::default();
        for second in [5, 6, 7] {
            in_force.take(found(&[("a", None)]), at(second));
        }
        let since: Vec<Timestamp> = in_force.bad().map(|(_, _, since)| since).collect();
        assert_eq!(since, [at(5)]);
    }
}
