//! `scale-set`: lists and deletes runner scale sets, which no page of GitHub's shows.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use azlin_daemon::config_dir::{self, Configuration};
use azlin_fleet::config::{Fleet, Site};
use azlin_fleet::model::{ForeignText, PoolName, ScaleSetInfo, Scope, SetDeletion};
use azlin_fleet::ports::GitHub;

use crate::adapters::{ProcessEnvironment, github};
use crate::args::{ScaleSetCommand, ScaleSetDeleteArgs, ScaleSetListArgs};
use crate::exit_status::ExitStatus;
use crate::output::{print, say_error, say_problem};
use crate::words::no_such_pool;

pub async fn run(command: ScaleSetCommand) -> Result<ExitStatus> {
    match command {
        ScaleSetCommand::List(args) => list(&args).await,
        ScaleSetCommand::Delete(args) => delete(&args).await,
    }
}

fn configuration(directory: &Path) -> Result<Configuration> {
    let read = config_dir::read(directory)?;
    read.problems.iter().for_each(say_problem);
    Ok(read)
}

async fn list(args: &ScaleSetListArgs) -> Result<ExitStatus> {
    let read = configuration(&args.config_dir)?;
    let wanted: Vec<&Fleet> = read
        .fleets
        .iter()
        .filter(|fleet| args.pool.as_ref().is_none_or(|pool| fleet.name == *pool))
        .collect();
    if let (Some(pool), true) = (&args.pool, wanted.is_empty()) {
        return Ok(unknown(pool, &read));
    }
    let environment = ProcessEnvironment::of_this_process(&args.config_dir)?;
    let sites: BTreeMap<Site, ()> = wanted.iter().map(|fleet| (fleet.site(), ())).collect();
    let mut rows = Vec::new();
    for site in sites.keys() {
        let client = github(&read.daemon, site.credential.as_ref(), &environment)?;
        let sets = client.scale_sets().list(&site.scope).await?;
        rows.extend(sets.into_iter().map(|set| row(&site.scope, &set, &read.fleets)));
    }
    if rows.is_empty() {
        say_error("there is no scale set where these fleets register their runners");
        return Ok(ExitStatus::NothingMatched);
    }
    print(&table(&rows))?;
    Ok(ExitStatus::Done)
}

/// The fleet that has a set.
fn user<'f>(scope: &Scope, name: &str, fleets: &'f [Fleet]) -> Option<&'f Fleet> {
    let has = |fleet: &&Fleet| {
        fleet.scope == *scope && fleet.scale_set_name().is_some_and(|own| own.eq_ignore_ascii_case(name))
    };
    fleets.iter().find(has)
}

fn row(scope: &Scope, set: &ScaleSetInfo, fleets: &[Fleet]) -> [String; 6] {
    let fleet = user(scope, &set.name, fleets).map_or("-".to_owned(), |fleet| fleet.name.to_string());
    let level = set.level.map_or("?".to_owned(), |level| {
        format!("{} assigned, {} running", level.assigned.saturating_sub(level.running), level.running)
    });
    let labels = set.labels.iter().map(ForeignText::as_str).collect::<Vec<_>>().join(", ");
    [set.name.to_string(), set.id.to_string(), scope.to_string(), fleet, level, labels]
}

fn table(rows: &[[String; 6]]) -> String {
    let titles = ["NAME", "ID", "SCOPE", "FLEET", "JOBS", "LABELS"].map(str::to_owned);
    let width = |column: usize| {
        std::iter::once(&titles).chain(rows).map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    std::iter::once(&titles).chain(rows).map(line).collect()
}

async fn delete(args: &ScaleSetDeleteArgs) -> Result<ExitStatus> {
    let read = configuration(&args.config_dir)?;
    let Some(fleet) = read.fleets.iter().find(|fleet| fleet.name == args.pool) else {
        return Ok(unknown(&args.pool, &read));
    };
    let name = &args.name;
    if let Some(user) = user(&fleet.scope, name, &read.fleets).filter(|user| user.enabled) {
        bail!(
            "fleet {} has the scale set {name}, and its daemon would make it again; first azlin github-runner enable --pool \
             {} --demand queue, or disable --pool {}",
            user.name,
            user.name,
            user.name
        );
    }
    let environment = ProcessEnvironment::of_this_process(&args.config_dir)?;
    let client = github(&read.daemon, fleet.credential.as_ref(), &environment)?;
    let sets = client.scale_sets().list(&fleet.scope).await?;
    let named: Vec<&ScaleSetInfo> = sets.iter().filter(|set| set.name.eq_ignore_ascii_case(name)).collect();
    let Some(first) = named.first() else {
        say_error(&format!("{} has no scale set {name}", fleet.scope));
        return Ok(ExitStatus::NothingMatched);
    };
    if named.len() > 1 {
        bail!(
            "{} has several scale sets {name}, in several runner groups; rename or delete them at GitHub",
            fleet.scope
        );
    }
    match client.scale_sets().delete(&fleet.scope, first.id).await? {
        SetDeletion::Deleted | SetDeletion::NotFound => {
            print(&format!("scale set {name} of {} is deleted\n", fleet.scope))?;
            Ok(ExitStatus::Done)
        }
        SetDeletion::Busy => bail!("one of its runners runs a job; try again when that has ended"),
    }
}

fn unknown(pool: &PoolName, read: &Configuration) -> ExitStatus {
    say_error(&no_such_pool(pool, read.fleets.iter().map(|fleet| fleet.name.as_str())));
    ExitStatus::NothingMatched
}

#[cfg(test)]
mod tests {
    use azlin_fleet::model::{ScaleSetId, ScaleSetLevel};

    use super::*;

    #[test]
    fn the_table_names_the_fleet_of_each_set() {
        let fleet = |demand: &str| {
            let text = format!(
                "org = \"o\"\n{demand}[vm]\nsubscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\n\
                 location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\"]\nimage = \"a:b:c:d\"\nsubnet_id = \"/subscriptions/0/s\"\n"
            );
            Fleet::parse("ci.toml", "ci".parse().expect("a name"), &text).expect("a fleet")
        };
        let set = |id, name: &str, level| ScaleSetInfo {
            id: ScaleSetId(id),
            name: name.into(),
            runner_group: None,
            labels: vec![name.into(), "docker".into()],
            created_at: None,
            level,
        };
        let level = ScaleSetLevel { assigned: 3, running: 1, ..ScaleSetLevel::default() };
        let fleets = [fleet("[demand]\nsource = \"scale-set\"\n")];
        let scope: Scope = "org:o".parse().expect("valid");
        let rows = [set(7, "CI", Some(level)), set(12, "old-workers", None)];
        let rows: Vec<_> = rows.iter().map(|set| row(&scope, set, &fleets)).collect();
        let expected = "\
NAME         ID  SCOPE  FLEET  JOBS                   LABELS
CI           7   org:o  ci     2 assigned, 1 running  CI, docker
old-workers  12  org:o  -      ?                      old-workers, docker
";
        assert_eq!(table(&rows), expected);
        assert!(user(&scope, "ci", &[fleet("")]).is_none(), "a fleet that follows its queue has no set");
    }
}
