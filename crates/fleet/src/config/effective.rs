//! Which configuration is in force: the last good file of each fleet.
//!
//! A bad file stops no fleet: its fleet keeps the last good configuration, and one that never had a good file is
//! not touched. When a file is removed, its fleet and the fleet's VMs are left alone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Fleet, changes};
use crate::model::PoolName;

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
pub struct EffectiveConfig {
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
    /// A file is bad. With `effective` its fleet goes on with the last good one.
    Bad {
        /// Its name.
        file: String,
        /// What is wrong.
        message: String,
        /// Whether its fleet has an earlier configuration to go on with.
        effective: bool,
    },
    /// A file that was bad is good again.
    Fixed(String),
}

impl EffectiveConfig {
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
            let effective = bad.pool.as_ref().is_some_and(|pool| self.fleets.contains_key(pool));
            news.push(ConfigChange::Bad { file: file.clone(), message: bad.message.clone(), effective });
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
mod tests;
