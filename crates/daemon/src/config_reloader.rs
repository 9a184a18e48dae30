//! Reloads the configuration while the daemon runs.
//!
//! A bad file never stops the daemon: its fleet goes on as before, and the problem is reported until the file
//! is good again. An accepted change is one line in the journal that says what changed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use azlin_fleet::config::{BadFile, ConfigChange, DaemonConfig, EffectiveConfig, Fleet, FoundFiles, changes};
use azlin_fleet::report::BadFileStatus;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{error, info};

use crate::config_dir::{self, Configuration, FileProblemCause};
use crate::config_watcher::ConfigWatcher;
use crate::context::DaemonContext;
use crate::fleet_set::Fleets;
use crate::instance_lock::{InstanceLock, LockError};
use crate::status_store::StatusStore;

/// How often a file that stays bad is reported again.
const REMINDER: Duration = Duration::from_secs(3600);

/// A configuration directory, and the configuration that is in force.
pub(crate) struct ConfigReloader {
    directory: PathBuf,
    /// Makes this the one daemon of the directory.
    lock: InstanceLock,
    daemon: DaemonConfig,
    daemon_text: String,
    effective: EffectiveConfig,
    /// The problem with `azlin.toml` or with the directory, and since when it lasts.
    refused: Option<(String, Timestamp)>,
    status_store: StatusStore,
    reminded: Instant,
}

impl ConfigReloader {
    /// Begins with a directory that was just read. Bad files are reported.
    pub(crate) fn new(
        directory: PathBuf,
        lock: InstanceLock,
        read: Configuration,
        status_store: StatusStore,
    ) -> Self {
        let now = read.read_at;
        let (daemon, daemon_text) = (read.daemon.clone(), read.daemon_text.clone());
        let mut effective = EffectiveConfig::default();
        for news in effective.take(found(read), now) {
            if let ConfigChange::Bad { .. } = news {
                report(&news);
            }
        }
        let reminded = Instant::now();
        let reloader = ConfigReloader {
            directory,
            lock,
            daemon,
            daemon_text,
            effective,
            refused: None,
            status_store,
            reminded,
        };
        reloader.publish(now);
        reloader
    }

    /// The daemon's configuration that is in force.
    pub(crate) fn daemon(&self) -> &DaemonConfig {
        &self.daemon
    }

    /// The fleets that are in force.
    pub(crate) fn fleets(&self) -> Vec<Fleet> {
        // A fleet that goes on with its last good file uses its credential's GitHub of now. If that
        // credential is gone, the fleet is reported as a bad file and left alone.
        let mut fleets = Vec::new();
        for (fleet, _) in self.effective.fleets() {
            fleets.extend(config_dir::signed_in(fleet.clone(), &self.daemon, &fleets));
        }
        fleets
    }

    /// Puts each change of a fleet's file into force, until `azlin.toml` changes; returns that configuration,
    /// which is in force once it is [accepted](ConfigReloader::accept).
    pub(crate) async fn changes(
        &mut self,
        watcher: &mut ConfigWatcher,
        fleets: &Fleets,
        context: &DaemonContext,
    ) -> Configuration {
        loop {
            watcher.next(self.daemon.poll_queue).await;
            self.remind();
            let now = context.now();
            if let Err(error) = self.lock_what_is_there(watcher) {
                self.refuse(
                    &format!("another directory has taken the place of the configuration: {error}"),
                    now,
                );
                watcher.acknowledge();
                continue;
            }
            match config_dir::read_aside(self.directory.clone()).await {
                // A deleted file, or a write that was cut off, does not mean every default.
                Ok(read) if is_empty(&read.daemon_text) && !is_empty(&self.daemon_text) => {
                    self.refuse("azlin.toml is gone or empty; a comment in it stands for every default", now);
                }
                Ok(read) if read.daemon != self.daemon => return read,
                Ok(read) => {
                    if self.refused.take().is_some() {
                        info!(file = "azlin.toml", "azlin.toml is good again");
                    }
                    self.daemon_text.clone_from(&read.daemon_text);
                    let read_at = read.read_at;
                    self.take(read, now);
                    self.publish(read_at);
                }
                Err(error) => self.refuse(&error.to_string(), now),
            }
            fleets.set(self.fleets());
            watcher.acknowledge();
        }
    }

    /// Another directory can take the place of the watched one, for example when a link is flipped.
    fn lock_what_is_there(&mut self, watcher: &mut ConfigWatcher) -> Result<(), LockError> {
        if !self.lock.is_on(&self.directory) {
            self.lock.follow(&self.directory)?;
            watcher.watch_again();
        }
        Ok(())
    }

    /// Puts a configuration with another `azlin.toml` into force.
    pub(crate) fn accept(&mut self, read: Configuration, now: Timestamp) {
        let changes = changes(&self.daemon_text, &read.daemon_text).join("; ");
        info!(file = "azlin.toml", %changes, "azlin.toml accepted: {changes}");
        self.refused = None;
        (self.daemon, self.daemon_text) = (read.daemon.clone(), read.daemon_text.clone());
        let read_at = read.read_at;
        self.take(read, now);
        self.publish(read_at);
    }

    /// Keeps the daemon's last good configuration in force, and reports why. Fleets' files are still
    /// reloaded.
    pub(crate) fn refuse(&mut self, why: &str, now: Timestamp) {
        let since = match &self.refused {
            Some((before, since)) if before == why => *since,
            before => {
                error!(file = "azlin.toml", reason = %why, "azlin.toml refused, the last good one stays in force: {why}");
                before.as_ref().map_or(now, |(_, since)| *since)
            }
        };
        self.refused = Some((why.to_owned(), since));
        // If the directory itself cannot be read, everything stays as it is.
        let is_there = std::fs::read_dir(&self.directory).is_ok() && self.lock.is_on(&self.directory);
        let read = is_there
            .then(|| config_dir::read_with(&self.directory, self.daemon.clone(), self.daemon_text.clone()))
            .and_then(Result::ok);
        let read_at = read.as_ref().map_or(self.status_store.read().read_at, |read| read.read_at);
        if let Some(read) = read {
            self.take(read, now);
        }
        self.publish(read_at);
    }

    fn take(&mut self, read: Configuration, now: Timestamp) {
        for news in self.effective.take(found(read), now) {
            report(&news);
            if let ConfigChange::Removed(fleet) = &news {
                // What is left of it is told as forgotten.
                self.status_store.remove(fleet);
            }
        }
    }

    /// Reports files that stay bad again.
    fn remind(&mut self) {
        if self.reminded.elapsed() < REMINDER {
            return;
        }
        self.reminded = Instant::now();
        for (file, bad, since) in self.effective.bad() {
            let reason = &bad.message;
            let fleet = fleet_of(file);
            error!(fleet, %file, %since, %reason, "{fleet}: file still bad, since {since}: {reason}");
        }
        if let Some((why, since)) = &self.refused {
            error!(file = "azlin.toml", %since, reason = %why, "azlin.toml is still refused, since {since}: {why}");
        }
    }

    fn publish(&self, read_at: Timestamp) {
        let bad = self.effective.bad().map(|(file, bad, since)| BadFileStatus {
            file: file.to_owned(),
            message: bad.message.clone(),
            since,
        });
        let daemon = self.refused.iter().map(|(why, since)| BadFileStatus {
            file: self.directory.join("azlin.toml").display().to_string(),
            message: why.clone(),
            since: *since,
        });
        self.status_store.configured(daemon.chain(bad).collect(), read_at);
    }
}

fn is_empty(text: &str) -> bool {
    text.trim().is_empty()
}

fn found(read: Configuration) -> FoundFiles {
    let Configuration { fleets, mut texts, problems, .. } = read;
    let with_text = |fleet: Fleet| {
        let text = texts.remove(&fleet.name).unwrap_or_default();
        (fleet.name.clone(), (fleet, text))
    };
    let bad = problems.iter().map(|problem| {
        // A fleet does not go on because of a file that is not its own.
        let is_stray = matches!(problem.cause, FileProblemCause::Stray(_));
        let stem = problem.path.file_stem().filter(|_| !is_stray);
        let pool = stem.and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        (problem.path.display().to_string(), BadFile { pool, message: problem.to_string() })
    });
    FoundFiles { bad: bad.collect(), good: fleets.into_iter().map(with_text).collect() }
}

/// The name of the fleet that a file belongs to.
fn fleet_of(file: &str) -> &str {
    Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or(file)
}

fn report(news: &ConfigChange) {
    match news {
        ConfigChange::Added(fleet) => info!(%fleet, changes = "new", "{fleet}: new fleet accepted"),
        ConfigChange::Changed(fleet, changes) if changes.is_empty() => {
            info!(%fleet, changes = "none of its own", "{fleet}: file accepted, with no change of its own");
        }
        ConfigChange::Changed(fleet, changes) => {
            let changes = changes.join("; ");
            info!(%fleet, %changes, "{fleet}: change accepted: {changes}");
        }
        ConfigChange::Removed(fleet) => {
            info!(%fleet, changes = "file removed", "{fleet}: fleet file deleted; no longer managed");
        }
        ConfigChange::Fixed(file) => info!(fleet = fleet_of(file), %file, "{file} is good again"),
        ConfigChange::Bad { file, message, effective } => {
            let fleet = fleet_of(file);
            let what =
                if *effective { "the last good one stays in force" } else { "its fleet is left untouched" };
            error!(fleet, %file, reason = %message, "{fleet}: file refused, {what}: {message}");
        }
    }
}
