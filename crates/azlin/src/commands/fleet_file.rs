//! Changing a fleet's file, and reporting the change: what `enable`, `disable` and `scale` share.

use anyhow::Result;
use azlin_daemon::config_dir::{FileProblem, FileProblemCause};
use azlin_daemon::config_edit::{EditError, Edited, IfAbsent, Mode, update};
use azlin_fleet::config::{edit::KeyChange, may_be_shown};
use azlin_fleet::model::PoolName;
use jiff::Timestamp;
use similar::{ChangeTag, TextDiff};

use crate::args::TargetArgs;
use crate::commands::who_acts;
use crate::exit_status::ExitStatus;
use crate::output::{print, say_error, say_problem};
use crate::terminal::{Terminal, Tone};
use crate::words::no_such_pool;

/// The key that lets a drained fleet's busy runners be removed in the middle of their jobs.
pub const KILL_RUNNING_JOBS: &str = "kill_running_jobs";

/// Changes the file, or works out what would change.
pub fn change(target: &TargetArgs, changes: &[KeyChange], if_absent: IfAbsent) -> Result<Edited, EditError> {
    let mode = if target.dry_run { Mode::DryRun } else { Mode::Write };
    update(&target.config_dir, &target.pool, changes, if_absent, mode)
}

/// Prints what changed, and whether a daemon acts on it; returns when it was written.
pub async fn report(target: &TargetArgs, edited: &Edited) -> Result<Timestamp> {
    let written = Timestamp::now();
    let text = text(edited, target.dry_run, Terminal::stdout());
    print(&text)?;
    let is_changed = !target.dry_run && edited.before.as_ref() != Some(&edited.after);
    let who = who_acts::text(target, is_changed.then_some(written)).await;
    print(&format!("{who}\n"))?;
    Ok(written)
}

/// Prints why nothing changed.
pub fn report_error(error: &EditError) -> Result<ExitStatus> {
    match error {
        EditError::NoSuchPool { pool, pools } => {
            say_error(&no_such_pool(pool, pools.iter().map(PoolName::as_str)));
            return Ok(ExitStatus::NothingMatched);
        }
        EditError::Refused { path, faulty, .. } => {
            say_problem(&FileProblem { path: path.clone(), cause: FileProblemCause::Text(faulty.clone()) });
            say_error(&format!("nothing was written: {} would be wrong as above", path.display()));
        }
        EditError::Clash(_) | EditError::Locked { .. } | EditError::Io { .. } => {
            say_error(&error.to_string());
        }
    }
    Ok(ExitStatus::Failed)
}

fn text(edited: &Edited, is_dry: bool, terminal: Terminal) -> String {
    let path = terminal.paint(Tone::Strong, edited.path.display());
    let wrote = if is_dry { terminal.paint(Tone::Warning, "would write") } else { "wrote".to_owned() };
    match &edited.before {
        None => format!("{wrote} {path} (new)\n{}", live(&edited.after, terminal)),
        Some(before) if *before == edited.after => format!("nothing changed: {path} has it all already\n"),
        Some(before) => format!("{wrote} {path}\n{}", difference(before, &edited.after, terminal)),
    }
}

/// The lines of a file that are not comments.
fn live(text: &str, terminal: Terminal) -> String {
    let is_live = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let lines: Vec<&str> = text.lines().filter(is_live).collect();
    let is_header = |line: &str| line.starts_with('[');
    let mut shown = String::new();
    for (n, line) in lines.iter().enumerate() {
        let is_empty = is_header(line) && lines.get(n + 1).is_none_or(|next| is_header(next));
        if !is_empty {
            shown += &format!("  {}\n", terminal.paint(Tone::Good, cut(line, terminal, 2)));
        }
    }
    shown
}

/// The lines that differ, with their numbers and one line around them.
fn difference(before: &str, after: &str, terminal: Terminal) -> String {
    let difference = TextDiff::from_lines(before, after);
    let digits = after.lines().count().max(before.lines().count()).to_string().len();
    let mut shown = String::new();
    for (n, group) in difference.grouped_ops(1).iter().enumerate() {
        if n > 0 {
            shown += &format!("{:>digits$} …\n", "");
        }
        for change in group.iter().flat_map(|operation| difference.iter_changes(operation)) {
            let (sign, number, tone) = match change.tag() {
                ChangeTag::Delete => ('-', change.old_index(), Tone::Bad),
                ChangeTag::Insert => ('+', change.new_index(), Tone::Good),
                ChangeTag::Equal => (' ', change.new_index(), Tone::Faint),
            };
            let line = change.value().trim_end_matches(['\r', '\n']);
            let line = if may_be_shown(line) { line } else { "(a line that may hold a secret)" };
            let number = number.map_or(0, |index| index + 1);
            let line = cut(line, terminal, digits + 3);
            let line = terminal.paint(tone, format!("{number:>digits$} {sign} {line}").trim_end());
            shown += &format!("{line}\n");
        }
    }
    shown
}

/// A line, cut to what is left of the width.
fn cut(line: &str, terminal: Terminal, before: usize) -> String {
    match terminal.width.map(|width| width.saturating_sub(before).max(1)) {
        Some(width) if line.chars().count() > width => line.chars().take(width - 1).chain(['…']).collect(),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "repo = \"o/r\"\n\n[scaling]\nmin_runners = 0\nmax_runners = 3 # a rather long remark about \
        it\n\n# token = \"ghp_0123456789abcdefghijABCDEFGHIJ012345\"\n[vm]\n";

    #[test]
    fn what_differs_is_shown_with_its_lines() {
        let after = BEFORE.replace("max_runners = 3", "max_runners = 7").replace("[vm]", "[vm]\nspot = true");
        let shown = |width, colour| difference(BEFORE, &after, Terminal { width, colour });
        insta::assert_snapshot!("wide", shown(None, false));
        insta::assert_snapshot!("narrow", shown(Some(30), false));
        insta::assert_snapshot!("colour", shown(None, true).replace('\u{1b}', "^"));
    }
}
