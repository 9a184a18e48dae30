//! `--wait`: until the daemon has made a fleet what its file says.

use std::cell::{Cell, RefCell};
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Result;
use azlin_daemon::Presence;
use azlin_fleet::status::FleetStatus;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use crate::cli::Target;
use crate::commands::who_acts;
use crate::{Ended, say_error, say_note};

const LOOK: Duration = Duration::from_millis(200);

/// How far a fleet is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// How many runners are not yet as they should be.
    pub left: usize,
    /// In words: what is done, and what is waited for.
    pub told: String,
    /// Whether there is nothing more to wait for.
    pub is_over: bool,
}

/// Waits until the fleet is as the file that was written at that time says, and shows how far it is.
pub async fn wait(
    target: &Target,
    written: Timestamp,
    progress: impl Fn(&FleetStatus) -> Progress,
) -> Result<Ended> {
    let shown = Shown::new();
    loop {
        if Presence::of(&target.config_dir) == Presence::Absent {
            shown.end();
            say_error(&format!(
                "no daemon is running on {}, so there is nothing to wait for: the file is changed, and `azlin github-runner \
                 run` acts on it",
                target.config_dir.display()
            ));
            return Ok(Ended::Failed);
        }
        let status = who_acts::status(target);
        let read = status.as_ref().and_then(|status| status.daemon.as_ref()).map(|daemon| daemon.read_at);
        let fleets = status.iter().flat_map(|status| &status.fleets);
        let fleet = fleets.filter(|fleet| fleet.pool == target.pool).find(|fleet| fleet.at >= written);
        if let (Some(fleet), true) = (fleet, read.is_some_and(|read| read >= written)) {
            let progress = progress(fleet);
            let error = fleet.errors.first().map_or(String::new(), |error| format!("; {}", error.what));
            shown.say(&progress, &error);
            if progress.is_over {
                shown.end();
                return Ok(Ended::Done);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A bar on a terminal, else a line each time that something changes.
struct Shown {
    bar: Option<ProgressBar>,
    most: Cell<usize>,
    last: RefCell<String>,
}

impl Shown {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} [{bar:20}] {pos}/{len} {wide_msg} {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(0).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Shown { bar, most: Cell::default(), last: RefCell::default() }
    }

    fn say(&self, progress: &Progress, error: &str) {
        let told = format!("{}{error}", progress.told);
        match &self.bar {
            Some(bar) => {
                let most = self.most.get().max(progress.left);
                self.most.set(most);
                bar.set_length(most as u64);
                bar.set_position((most - progress.left) as u64);
                bar.set_message(told);
            }
            None if *self.last.borrow() != told => {
                say_note(&told);
                self.last.replace(told);
            }
            None => {}
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
