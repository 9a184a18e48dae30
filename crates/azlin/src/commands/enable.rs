//! `enable`: makes a fleet's file, or changes it and lets the fleet serve jobs.

mod chosen_elsewhere;

use anyhow::Result;
use azlin_daemon::config_dir;
use azlin_daemon::config_edit::{EditError, Edited, IfAbsent, Mode, update};
use azlin_fleet::config::edit::{KeyChange, Literal, edit};
use azlin_fleet::config::{Faulty, FleetDefaults, NamedFiles, Problem, ProblemKind};

use crate::args::{EnableArgs, TargetArgs};
use crate::commands::fleet_file::{self, KILL_RUNNING_JOBS};
use crate::exit_status::ExitStatus;
use crate::output::{print, say_error};
use chosen_elsewhere::{FoundValue, Surroundings};

pub async fn run(args: EnableArgs) -> Result<ExitStatus> {
    let EnableArgs { target, options } = args;
    let given = options.given();
    if let Some(message) = wrong(&target, &given) {
        say_error(&message);
        return Ok(ExitStatus::Usage);
    }
    let mut changes =
        vec![KeyChange::set("enabled", Literal::Flag(true)), KeyChange::remove(KILL_RUNNING_JOBS)];
    changes.extend(options.scopes_to_leave().map(KeyChange::remove));
    changes.extend(given);
    let found = chosen_elsewhere(&target, &changes);
    let set = |found: &FoundValue| KeyChange::set(&found.key, Literal::Text(found.value.clone()));
    changes.extend(found.iter().map(set));
    match fleet_file::change(&target, &changes, IfAbsent::Make) {
        Ok(edited) => {
            print(&told(&target, &edited, &found))?;
            fleet_file::report(&target, &edited).await.map(|_| ExitStatus::Done)
        }
        Err(EditError::Refused { is_new: true, faulty, .. }) if is_missing_something(&faulty) => {
            say_error(&missing(&target, &faulty));
            Ok(ExitStatus::Usage)
        }
        Err(error) => fleet_file::report_error(&error),
    }
}

/// What a new file would lack, from where it was chosen already.
fn chosen_elsewhere(target: &TargetArgs, changes: &[KeyChange]) -> Vec<FoundValue> {
    let tried = update(&target.config_dir, &target.pool, changes, IfAbsent::Make, Mode::DryRun);
    let Err(EditError::Refused { is_new: true, faulty, .. }) = tried else { return Vec::new() };
    let fleets =
        config_dir::fleets_alone(&target.config_dir).map_or_else(|_| Vec::new(), |(fleets, _)| fleets);
    let surroundings = Surroundings::of_this_process(fleets);
    let missing = faulty.problems.0.iter().filter(|problem| problem.kind == ProblemKind::Missing);
    missing.filter_map(|problem| surroundings.find(&problem.key)).collect()
}

/// What the command did beside what was given.
fn told(target: &TargetArgs, edited: &Edited, found: &[FoundValue]) -> String {
    let taken = |found: &FoundValue| {
        format!("took {} {} from {}\n", option_of(&found.key), found.value, found.source)
    };
    let mut text: String = found.iter().map(taken).collect();
    if edited.was_disabled {
        let pool = &target.pool;
        text += &if target.dry_run {
            format!("{pool} is not enabled: this would enable it, and it would serve jobs again\n")
        } else {
            format!("{pool} was not enabled: this enables it, and it serves jobs again\n")
        };
    }
    text
}

/// What is wrong with the options by themselves, by the rules of a fleet's file.
fn wrong(target: &TargetArgs, given: &[KeyChange]) -> Option<String> {
    let Err(faulty) = edit("", &target.pool, "", given, &FleetDefaults::default(), NamedFiles::Unread) else {
        return None;
    };
    let mut wrong: Vec<(String, String)> = Vec::new();
    for problem in &faulty.problems.0 {
        let option = option_of(&problem.key);
        let is_own = matches!(problem.kind, ProblemKind::Value | ProblemKind::Secret);
        if is_own && wrong.iter().all(|(other, _)| *other != option) {
            wrong.push((option, with_help(problem)));
        }
    }
    let lines: Vec<String> =
        wrong.into_iter().map(|(option, message)| format!("{option}: {message}")).collect();
    (!lines.is_empty()).then(|| lines.join("\nerror: "))
}

fn with_help(problem: &Problem) -> String {
    match &problem.help {
        Some(help) if problem.kind != ProblemKind::Secret => format!("{}; {help}", problem.message),
        _ => problem.message.clone(),
    }
}

/// The option that sets a key.
fn option_of(key: &str) -> String {
    match key {
        "bootstrap.method" => "--bootstrap".to_owned(),
        "demand.source" => "--demand".to_owned(),
        key if key.starts_with("vm.tags") => "--tag".to_owned(),
        key if key.starts_with("bootstrap.environment") => "--environment".to_owned(),
        key => format!("--{}", key.rsplit('.').next().unwrap_or(key).replace('_', "-")),
    }
}

fn is_missing_something(faulty: &Faulty) -> bool {
    faulty.problems.0.iter().any(|problem| problem.kind == ProblemKind::Missing)
}

/// The options that a new fleet needs, with examples.
fn missing(target: &TargetArgs, faulty: &Faulty) -> String {
    let mut text = format!("pool {} has no file yet, and to make one these are needed too:", target.pool);
    for problem in faulty.problems.0.iter().filter(|problem| problem.kind == ProblemKind::Missing) {
        let (value, example) = match problem.key.as_str() {
            "repo" => ("OWNER/REPO", "or --org NAME, or --enterprise NAME"),
            "vm.subscription_id" => ("ID", "which az account show --query id --output tsv prints"),
            "vm.resource_group" => ("NAME", "where the VMs are made, such as ci-runners"),
            "vm.location" => ("REGION", "such as westeurope"),
            "vm.subnet_id" => ("ID", "such as /subscriptions/…/virtualNetworks/ci/subnets/runners"),
            _ => ("VALUE", ""),
        };
        let option = format!("{} {value}", option_of(&problem.key));
        text += format!("\n  {option:<24}{example}").trim_end();
    }
    text += "\n\nWhat all fleets share belongs in [defaults.vm] of azlin.toml.";
    text + "\nFor every option and an example, try 'azlin github-runner enable --help'."
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Azlin;

    /// Every key of the documented example has its option, and every option its key.
    #[test]
    fn each_key_has_its_option() {
        let example = include_str!("../../../../config/fleets/ci-workers.toml");
        let mut keys: Vec<String> = Vec::new();
        let mut table = String::new();
        // Further regions and hours are tables of a list, written by hand.
        let mut is_in_list = false;
        for line in example.lines() {
            is_in_list |= line.starts_with("# [[");
            if let Some(name) = line.strip_prefix('[') {
                is_in_list = false;
                table = format!("{}.", name.trim_end_matches(']'));
            }
            if is_in_list {
                continue;
            }
            if let Some((key, _)) = line.trim_start_matches(['#', ' ']).split_once(" = ")
                && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            {
                keys.push(format!("{table}{key}"));
            }
        }
        // These are what the commands themselves set.
        let own = ["enabled", "scaling.manual_count", KILL_RUNNING_JOBS];
        let mut expected: Vec<String> =
            keys.iter().filter(|key| !own.contains(&key.as_str())).map(|key| option_of(key)).collect();
        let others = [
            "--pool",
            "--config-dir",
            "--runtime-dir",
            "--dry-run",
            "--verbose",
            "--quiet",
            "--log-format",
            "--help",
            "--version",
        ];
        let mut command = Azlin::command();
        command.build();
        let enable = command.find_subcommand("github-runner").and_then(|area| area.find_subcommand("enable"));
        let enable = enable.expect("there is such a command");
        let mut found: Vec<String> = enable
            .get_arguments()
            .filter_map(|argument| argument.get_long().map(|long| format!("--{long}")))
            .filter(|long| !others.contains(&long.as_str()))
            .collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }
}
