//! The effective configuration: the last good file of each fleet.
//!
//! A bad file stops no fleet: its fleet keeps the last good configuration. A fleet that never had a good file
//! is not touched. When a file is removed, the daemon leaves the fleet's VMs alone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Fleet, NamedFile, changes};
use crate::model::PoolName;

/// The files of a directory.
#[derive(Debug, Default)]
pub struct FoundFiles {
    /// The fleets of good files, each with the text of its file.
    pub good: BTreeMap<PoolName, (Fleet, String)>,
    /// The bad files, by file name.
    pub bad: BTreeMap<String, BadFile>,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFile {
    /// The fleet. Present if the file name is a valid pool name.
    pub pool: Option<PoolName>,
    /// Every problem of the file.
    pub message: String,
}

/// The effective configuration, and the bad files.
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
    /// A fleet's file has changed. The list holds the changed keys.
    Changed(PoolName, Vec<String>),
    /// A fleet's file was removed. The daemon leaves its VMs alone.
    Removed(PoolName),
    /// A file is bad. With `effective`, its fleet continues with the last good one.
    Bad {
        /// The name of the file.
        file: String,
        /// Every problem of the file.
        message: String,
        /// Whether its fleet has an earlier configuration to continue with.
        effective: bool,
    },
    /// A bad file is good again. The text is its name.
    Fixed(String),
}

impl EffectiveConfig {
    /// Puts the files into effect, and returns what changed.
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
        let is_fixed = |file: &String, bad: &BadFile| {
            !found.bad.contains_key(file)
                && bad.pool.as_ref().is_some_and(|pool| found.good.contains_key(pool))
        };
        let fixed = self.bad.iter().filter(|(file, (bad, _))| is_fixed(file, bad));
        news.extend(fixed.map(|(file, _)| ConfigChange::Fixed(file.clone())));
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
                Some((before, old)) => {
                    let mut changed = changes(old, &text);
                    changed.extend(other_contents(before, &fleet));
                    news.push(ConfigChange::Changed(pool.clone(), changed));
                }
            }
            self.fleets.insert(pool, (fleet, text));
        }
        news
    }

    /// The fleets, each with the text of its file.
    pub fn fleets(&self) -> impl Iterator<Item = (&Fleet, &str)> {
        self.fleets.values().map(|(fleet, text)| (fleet, text.as_str()))
    }

    /// The bad files, each with its name and the time when it was first found bad.
    pub fn bad(&self) -> impl Iterator<Item = (&str, &BadFile, Timestamp)> {
        self.bad.iter().map(|(file, (bad, since))| (file.as_str(), bad, *since))
    }
}

/// The files that the fleet names as before, and that have another content.
fn other_contents(before: &Fleet, after: &Fleet) -> Vec<String> {
    let old: Vec<(&str, &NamedFile)> = before.bootstrap.machine.files().collect();
    let is_other = |(key, file): &(&str, &NamedFile)| {
        old.iter().any(|(known, old)| known == key && old.path == file.path && old.content != file.content)
    };
    let changed = after.bootstrap.machine.files().filter(is_other);
    changed.map(|(key, file)| format!("bootstrap.{key}: another content of {:?}", file.path)).collect()
}

#[cfg(test)]
mod tests;
