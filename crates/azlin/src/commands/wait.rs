//! `--wait`: waits until the daemon has brought a fleet to what its file says.

use std::cell::{Cell, RefCell};
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Result;
use azlin_daemon::Presence;
use azlin_fleet::model::elapsed;
use azlin_fleet::report::{FleetStatus, Status};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use crate::args::TargetArgs;
use crate::commands::who_acts;
use crate::exit_status::ExitStatus;
use crate::output::{say_error, say_note};

/// How long a daemon may take to write a status.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(200);

/// How far a fleet is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// How many runners are not yet as they should be.
    pub left: usize,
    /// In words: what is done, and what is missing.
    pub text: String,
    /// Whether there is anything more to wait for.
    pub state: WaitState,
}

/// Whether to wait on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitState {
    /// Work goes on.
    Waits,
    /// The fleet is as its file says.
    Over,
    /// It never will be, and why.
    Never(String),
}

/// Waits until the fleet is as the file says that was written at that time, and shows the progress.
pub async fn wait(
    target: &TargetArgs,
    written: Timestamp,
    progress: impl Fn(&FleetStatus) -> Progress,
) -> Result<ExitStatus> {
    let shown = ProgressDisplay::new();
    let ended = loop {
        if let Some(why) = useless(target, written) {
            break Err(why);
        }
        let status = who_acts::status(target);
        let has_read =
            |status: &&Status| status.daemon.as_ref().is_some_and(|daemon| daemon.read_at >= written);
        let fleets = status.iter().filter(has_read).flat_map(|status| &status.fleets);
        if let Some(fleet) =
            fleets.filter(|fleet| fleet.pool == target.pool).find(|fleet| fleet.at >= written)
        {
            let mut progress = progress(fleet);
            if !fleet.jobs_known || !fleet.runners_known {
                progress.state = WaitState::Waits;
                progress.text = "not known".to_owned();
            }
            let error = fleet.errors.first().map_or(String::new(), |error| format!("; {}", error.what));
            shown.say(&progress, &error);
            match progress.state {
                WaitState::Waits => {}
                WaitState::Over => break Ok(ExitStatus::Done),
                WaitState::Never(why) => break Err(why),
            }
        }
        tokio::time::sleep(LOOK).await;
    };
    shown.end();
    ended.or_else(|why| {
        say_error(&why);
        Ok(ExitStatus::Failed)
    })
}

/// Why waiting is useless, if it is.
fn useless(target: &TargetArgs, written: Timestamp) -> Option<String> {
    let (shown, pool) = (target.config_dir.display(), &target.pool);
    if Presence::of(&target.config_dir, target.runtime_dir.as_deref()) == Presence::Absent {
        return Some(format!(
            "no daemon is running on {shown}, so there is nothing to wait for: the file is changed, and `azlin github-runner \
             run` acts on it"
        ));
    }
    if !target.config_dir.join("fleets").join(format!("{pool}.toml")).exists() {
        return Some(format!("the file of {pool} is gone, so its daemon leaves its VMs alone"));
    }
    match who_acts::status(target) {
        None if elapsed(written, Timestamp::now()) > PATIENCE => Some(format!(
            "what the daemon on {shown} does cannot be seen here: give --runtime-dir as it was given to the daemon"
        )),
        Some(status) => {
            let refusal = who_acts::refusal(target, &status)?;
            let has_read = status.daemon.is_some_and(|daemon| daemon.read_at >= written);
            has_read.then(|| format!("the daemon refuses the file: {refusal}"))
        }
        None => None,
    }
}

/// A bar on a terminal, else a line after each change.
struct ProgressDisplay {
    bar: Option<ProgressBar>,
    most: Cell<usize>,
    last: RefCell<String>,
}

impl ProgressDisplay {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} [{bar:20}] {pos}/{len} {wide_msg} {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(0).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        ProgressDisplay { bar, most: Cell::default(), last: RefCell::default() }
    }

    fn say(&self, progress: &Progress, error: &str) {
        let text = format!("{}{error}", progress.text);
        match &self.bar {
            Some(bar) => {
                let most = self.most.get().max(progress.left);
                self.most.set(most);
                bar.set_length(most as u64);
                bar.set_position((most - progress.left) as u64);
                bar.set_message(text);
            }
            None if *self.last.borrow() != text => {
                say_note(&text);
                self.last.replace(text);
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
