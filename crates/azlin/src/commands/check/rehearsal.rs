//! `check --try`: asks, rehearses one fleet, and prints what each step came to.

use std::fs::File;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use azlin_daemon::rehearsal::rehearse;
use azlin_daemon::{InstanceLock, LockError, stop_with_last_words};
use azlin_fleet::config::{DaemonConfig, Fleet};
use azlin_fleet::rehearsal::{Cleaner, Leftovers, RehearsalPlan, Rehearsed, Sighting, StepEnd, StepRecord};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::adapters::{self, Lifetime, ProcessEnvironment};
use crate::args::{CheckArgs, OutputFormat};
use crate::config::ReadableFiles;
use crate::exit_status::ExitStatus;
use crate::output::{print, say_error, say_note};
use crate::terminal::{Terminal, Tone};
use crate::wrap::wrapped;

/// Why the arguments do not fit a rehearsal, if they do not: it needs a person or `--yes`, and one fleet.
pub fn refusal(args: &CheckArgs, files: &ReadableFiles) -> Option<String> {
    if args.view.output == OutputFormat::Json {
        return Some("--try prints for people: leave out --output json".to_owned());
    }
    if !args.yes && !std::io::stdin().is_terminal() {
        let why = "--try makes a VM, which costs money, and asks first, and there is no terminal to ask at";
        return Some(format!("{why}: --yes makes it without asking"));
    }
    let pools = files.pools();
    if pools.len() > 1 {
        return Some(format!(
            "--try rehearses one fleet: name it with --pool (there are: {})",
            pools.join(", ")
        ));
    }
    None
}

/// Rehearses a fleet.
pub async fn run(
    args: &CheckArgs,
    config: &DaemonConfig,
    fleet: &Fleet,
    environment: &ProcessEnvironment,
) -> Result<ExitStatus> {
    let config_dir = &args.view.directories.config_dir;
    let _lock = match InstanceLock::acquire(config_dir, args.view.directories.runtime_dir.as_deref()).await {
        Ok(lock) => lock,
        Err(error) => {
            say_error(&locked(config_dir, &error));
            return Ok(ExitStatus::Failed);
        }
    };
    let plan = RehearsalPlan::of(fleet, &config.prices, Timestamp::now(), rand::random::<u32>());
    let plan = plan.map_err(anyhow::Error::msg)?;
    print(&format!("Rehearsal of {}\n{plan}\n", fleet.name))?;
    if !args.yes && !is_wanted()? {
        print("Nothing was made.\n")?;
        return Ok(ExitStatus::Failed);
    }
    let report =
        args.report.as_deref().map(|path| Ok::<_, anyhow::Error>((path, created(path)?))).transpose()?;
    let azure = adapters::azure(config, environment)?;
    let mut context = adapters::connect(config, environment, Lifetime::Lasting)?;
    context.azure = Arc::new(azure.clone());
    let left = Leftovers::none(plan.runner.clone(), fleet.vm.group.clone(), fleet.scope.clone());
    let (left, stop) = (Arc::new(Mutex::new(left)), CancellationToken::new());
    let last = Arc::clone(&left);
    stop_with_last_words(stop.clone(), move || say_error(&by_hand(&last.lock())))?;
    let told = |record: &StepRecord| {
        // What was made is removed, whether or not it is read.
        let _ = print(&step(record, Terminal::stdout()));
        if record.end == StepEnd::Interrupted {
            say_note("what was made is removed; a second signal ends this at once and says what is left");
        }
    };
    let rehearsed = rehearse(context, &azure, &plan, left, stop, &told).await;
    if let Some((path, mut file)) = report {
        let hosts = config.resource_manager_url.host_str().map(str::to_owned).into_iter();
        let github = fleet.github.split(':').next().map(str::to_owned);
        let cleaner = Cleaner::of(&plan, &hosts.chain(github).collect::<Vec<_>>());
        let text = cleaner.clean(&rehearsed.report(&plan, env!("CARGO_PKG_VERSION")));
        let written = file.write_all(text.as_bytes());
        written.with_context(|| format!("{} cannot be written", path.display()))?;
    }
    print(&ending(&rehearsed, &plan, args.report.as_deref(), Terminal::stdout()))?;
    if !rehearsed.left.is_empty() {
        say_error(&by_hand(&rehearsed.left));
    }
    Ok(if rehearsed.is_good() { ExitStatus::Done } else { ExitStatus::Failed })
}

fn locked(config_dir: &Path, error: &LockError) -> String {
    let shown = config_dir.display();
    match error {
        LockError::AlreadyRunning(_) => format!(
            "a daemon runs on {shown} ({error}), and would count the rehearsal's runner as one of its own, or remove it: stop it for \
             some minutes, or rehearse beside it from a copy of the directory in which the fleet's file has another name"
        ),
        LockError::Unreadable(why) => format!("{shown} cannot be read: {why}"),
    }
}

/// Asks whether to go on.
fn is_wanted() -> Result<bool> {
    print("Make it? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

fn created(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("{} cannot be written", path.display()))
}

fn by_hand(left: &Leftovers) -> String {
    format!("this may be left, and is removed by hand so:\n{left}")
}

fn step(record: &StepRecord, terminal: Terminal) -> String {
    let (mark, tone) = match record.end {
        StepEnd::Done => ("✓", Tone::Good),
        StepEnd::Failed => ("✗", Tone::Bad),
        StepEnd::Interrupted => ("!", Tone::Warning),
    };
    let mark = terminal.paint(tone, mark);
    let head = format!("  {mark} {:<12}  {:>6.1} s  ", record.step, record.took.as_secs_f64());
    wrapped(&head, &record.told, terminal)
}

fn ending(rehearsed: &Rehearsed, plan: &RehearsalPlan, report: Option<&Path>, terminal: Terminal) -> String {
    let mut text = format!("\n{}\n", terminal.paint(Tone::Strong, "What Azure and GitHub showed"));
    for (question, sighting) in rehearsed.answers(plan) {
        let (mark, tone) = match sighting {
            Sighting::AsExpected(_) => ("✓", Tone::Good),
            Sighting::Differs { .. } => ("!", Tone::Warning),
            Sighting::Told(_) => ("·", Tone::Strong),
            Sighting::NotSeen(_) => ("?", Tone::Faint),
        };
        let head = format!("  {} ", terminal.paint(tone, mark));
        text += &wrapped(&head, &format!("{question}: {sighting}"), terminal);
    }
    text += &format!("\n{}", wrapped("", &rehearsed.verdict(), terminal));
    if let Some(path) = report {
        let told = format!("The report, without names and secrets, is in {}.", path.display());
        text += &wrapped("", &told, terminal);
    }
    text
}
