//! Follows the configuration directory while the daemon runs.
//!
//! A bad file never stops it: the fleet goes on as it was, and that is told until the file is good
//! again. What is accepted is one line that says what changed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use azlin_fleet::config::{BadFile, DaemonConfig, Fleet, Found, InForce, News, changes};
use azlin_fleet::status::BadFileStatus;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::board::Board;
use crate::config_dir::{self, Configuration};
use crate::fleet_set::Fleets;
use crate::outside::Outside;
use crate::presence::{NotAlone, hold, is_held};
use crate::wake::Wake;

/// How often a file that stays bad is told of.
const REMINDER: Duration = Duration::from_secs(3600);

/// A configuration directory, and what of it is in force.
pub struct Followed {
    directory: PathBuf,
    /// What makes this the one daemon of the directory.
    held: File,
    daemon: DaemonConfig,
    daemon_text: String,
    in_force: InForce,
    /// What is wrong with `azlin.toml` or with the directory, and since when.
    refused: Option<(String, Timestamp)>,
    board: Board,
    reminded: Instant,
}

impl Followed {
    /// Begins with a directory as it was read. Files that are bad are told.
    pub fn new(directory: PathBuf, held: File, read: Configuration, board: Board) -> Self {
        let now = read.read_at;
        let (daemon, daemon_text) = (read.daemon.clone(), read.daemon_text.clone());
        let mut in_force = InForce::default();
        for news in in_force.take(found(read), now) {
            if let News::Bad { .. } = news {
                tell(&news);
            }
        }
        let reminded = Instant::now();
        let followed =
            Followed { directory, held, daemon, daemon_text, in_force, refused: None, board, reminded };
        followed.post(now);
        followed
    }

    /// The daemon's configuration that is in force.
    pub fn daemon(&self) -> &DaemonConfig {
        &self.daemon
    }

    /// The fleets that are in force.
    pub fn fleets(&self) -> Vec<Fleet> {
        // One that goes on with its last good file is where its credential signs in now. Where none does any
        // more, it is told as a bad file, and is left alone.
        let mut fleets = Vec::new();
        for (fleet, _) in self.in_force.fleets() {
            fleets.extend(config_dir::signed_in(fleet.clone(), &self.daemon, &fleets));
        }
        fleets
    }

    /// Hands each change of a fleet's file on, until `azlin.toml` changes: what it says then. It is
    /// in force once it is [accepted](Followed::accept).
    pub async fn changes(&mut self, wake: &mut Wake, fleets: &Fleets, outside: &Outside) -> Configuration {
        loop {
            wake.next(self.daemon.poll_queue).await;
            self.remind();
            let now = outside.now();
            if let Err(error) = self.hold_what_is_there(wake) {
                self.refuse(
                    &format!("another directory has taken the place of the configuration: {error}"),
                    now,
                );
                wake.is_taken_in();
                continue;
            }
            match config_dir::read(&self.directory) {
                // Nobody means every default by taking the file away, or by a write that was cut off.
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
                    self.post(read_at);
                }
                Err(error) => self.refuse(&error.to_string(), now),
            }
            fleets.set(self.fleets());
            wake.is_taken_in();
        }
    }

    /// A directory can be put in the place of the one that is followed, as by a link that is flipped.
    fn hold_what_is_there(&mut self, wake: &mut Wake) -> Result<(), NotAlone> {
        if !is_held(&self.directory, &self.held) {
            self.held = hold(&self.directory)?;
            wake.watch_again();
        }
        Ok(())
    }

    /// Takes in a configuration whose `azlin.toml` differs.
    pub fn accept(&mut self, read: Configuration, now: Timestamp) {
        let changes = changes(&self.daemon_text, &read.daemon_text).join("; ");
        info!(file = "azlin.toml", %changes, "azlin.toml accepted: {changes}");
        self.refused = None;
        (self.daemon, self.daemon_text) = (read.daemon.clone(), read.daemon_text.clone());
        let read_at = read.read_at;
        self.take(read, now);
        self.post(read_at);
    }

    /// Goes on with the daemon's last good configuration, and says why. Fleets are followed all the
    /// same.
    pub fn refuse(&mut self, why: &str, now: Timestamp) {
        let since = match &self.refused {
            Some((before, since)) if before == why => *since,
            before => {
                error!(file = "azlin.toml", reason = %why, "azlin.toml refused, the last good one stays in force: {why}");
                before.as_ref().map_or(now, |(_, since)| *since)
            }
        };
        self.refused = Some((why.to_owned(), since));
        // Where the directory itself cannot be read, all goes on as it is.
        let is_there = std::fs::read_dir(&self.directory).is_ok() && is_held(&self.directory, &self.held);
        let read = is_there
            .then(|| config_dir::read_with(&self.directory, self.daemon.clone(), self.daemon_text.clone()))
            .and_then(Result::ok);
        let read_at = read.as_ref().map_or(self.board.read().read_at, |read| read.read_at);
        if let Some(read) = read {
            self.take(read, now);
        }
        self.post(read_at);
    }

    fn take(&mut self, read: Configuration, now: Timestamp) {
        for news in self.in_force.take(found(read), now) {
            tell(&news);
            if let News::Removed(fleet) = &news {
                let known = self.board.remove(fleet);
                // It may have gone from the board by itself.
                let runners = known.map(|status| status.runners.len());
                if runners == Some(0) {
                    continue;
                }
                let how_many = runners.map(|runners| format!(", {runners} of them")).unwrap_or_default();
                warn!(%fleet, runners, "{fleet}: its file is gone: its VMs are left alone{how_many}, and cost; put the file back and set enabled = false to drain it");
            }
        }
    }

    /// A file that stays bad is told of again.
    fn remind(&mut self) {
        if self.reminded.elapsed() < REMINDER {
            return;
        }
        self.reminded = Instant::now();
        for (file, bad, since) in self.in_force.bad() {
            let reason = &bad.message;
            let fleet = fleet_of(file);
            error!(fleet, %file, %since, %reason, "{fleet}: file still bad, since {since}: {reason}");
        }
        if let Some((why, since)) = &self.refused {
            error!(file = "azlin.toml", %since, reason = %why, "azlin.toml is still refused, since {since}: {why}");
        }
    }

    fn post(&self, read_at: Timestamp) {
        let bad = self.in_force.bad().map(|(file, bad, since)| BadFileStatus {
            file: file.to_owned(),
            message: bad.message.clone(),
            since,
        });
        let daemon = self.refused.iter().map(|(why, since)| BadFileStatus {
            file: self.directory.join("azlin.toml").display().to_string(),
            message: why.clone(),
            since: *since,
        });
        self.board.configured(daemon.chain(bad).collect(), read_at);
    }
}

fn is_empty(text: &str) -> bool {
    text.trim().is_empty()
}

fn found(read: Configuration) -> Found {
    let Configuration { fleets, mut texts, problems, .. } = read;
    let with_text = |fleet: Fleet| {
        let text = texts.remove(&fleet.name).unwrap_or_default();
        (fleet.name.clone(), (fleet, text))
    };
    let bad = problems.iter().map(|problem| {
        let pool = problem.path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        (problem.path.display().to_string(), BadFile { pool, message: problem.to_string() })
    });
    Found { bad: bad.collect(), good: fleets.into_iter().map(with_text).collect() }
}

/// The fleet whose file it would be.
fn fleet_of(file: &str) -> &str {
    Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or(file)
}

fn tell(news: &News) {
    match news {
        News::Added(fleet) => info!(%fleet, changes = "new", "{fleet}: new fleet accepted"),
        News::Changed(fleet, changes) if changes.is_empty() => {
            info!(%fleet, changes = "none of its own", "{fleet}: file accepted, with no change of its own");
        }
        News::Changed(fleet, changes) => {
            let changes = changes.join("; ");
            info!(%fleet, %changes, "{fleet}: change accepted: {changes}");
        }
        News::Removed(fleet) => {
            info!(%fleet, changes = "file removed", "{fleet}: removal of its file accepted");
        }
        News::Mended(file) => info!(fleet = fleet_of(file), %file, "{file} is good again"),
        News::Bad { file, message, in_force } => {
            let fleet = fleet_of(file);
            let what =
                if *in_force { "the last good one stays in force" } else { "its fleet is left untouched" };
            error!(fleet, %file, reason = %message, "{fleet}: file refused, {what}: {message}");
        }
    }
}
