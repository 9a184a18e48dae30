//! An explanation as text: the answer first, then the chain that leads to it; and as JSON.

use azlin_daemon::explain::Explained;
use azlin_fleet::explain::{ExplainedItem, Explanation, Link, LinkState, NextChange, PoolExplanation};
use azlin_fleet::model::{PoolName, ScalingAction};
use serde_json::{Value, json};

use crate::terminal::{Terminal, Tone};
use crate::wrap::hanging;

/// The column where a link's text begins: after its mark and its name.
const TEXT: usize = 18;

pub(super) fn table(explained: &Explained, is_remembered: bool, terminal: Terminal) -> String {
    let mut parts: Vec<String> = explained.explanations.iter().map(|each| chain(each, terminal)).collect();
    if let Some((name, pool)) = &explained.pool {
        parts.push(whole(name, pool, jiff::Timestamp::now(), terminal));
    }
    for trouble in &explained.troubles {
        let head = terminal.paint(Tone::Bad, "not seen: ");
        parts.push(hanging(terminal, &head, 10, trouble));
    }
    if !is_remembered {
        let note = "what the daemon remembers (cooldown, failed starts, since when a runner is offline) is not known here: \
                    give its --state-dir";
        parts.push(terminal.paint(Tone::Faint, hanging(terminal, "note: ", 6, note).trim_end()) + "\n");
    }
    parts.join("\n")
}

fn chain(explanation: &Explanation, terminal: Terminal) -> String {
    let place = match &explanation.about {
        ExplainedItem::Job { repo, pool, .. } => {
            let repo = repo.as_ref().map_or(String::new(), |repo| format!(" of {repo}"));
            let pool = pool.as_ref().map_or(String::new(), |pool| format!(", for pool {pool}"));
            format!("{repo}{pool}")
        }
        ExplainedItem::Runner { pool, .. } => format!(" of pool {pool}"),
    };
    let about = terminal.paint(Tone::Strong, &explanation.about);
    let mut text = format!("{about}{place}\n");
    if let ExplainedItem::Job { link: Some(link), .. } = &explanation.about {
        text += &format!("  {}\n", terminal.paint(Tone::Faint, link));
    }
    text += &hanging(terminal, "  ", 2, &explanation.verdict);
    text.push('\n');
    let mut beyond = Vec::new();
    for link in &explanation.links {
        if link.state == LinkState::NotReached {
            beyond.push(link.link.as_str());
            continue;
        }
        let head = format!("  {} {:<width$}", mark(link, terminal), link.link.as_str(), width = TEXT - 4);
        text += &hanging(terminal, &head, TEXT, &link.what);
        if let Some(cure) = &link.cure {
            text += &hanging(terminal, &format!("{}→ ", " ".repeat(TEXT)), TEXT + 2, cure);
        }
    }
    if !beyond.is_empty() {
        let beyond = hanging(terminal, "  · ", 4, &format!("not reached: {}", beyond.join(", ")));
        text += &(terminal.paint(Tone::Faint, beyond.trim_end()) + "\n");
    }
    text
}

fn mark(link: &Link, terminal: Terminal) -> String {
    match link.state {
        LinkState::Holds => terminal.paint(Tone::Good, "✓"),
        LinkState::Broken => terminal.paint(Tone::Bad, "✗"),
        LinkState::Waits => terminal.paint(Tone::Warning, "…"),
        LinkState::NotReached => terminal.paint(Tone::Faint, "·"),
    }
}

fn whole(name: &PoolName, pool: &PoolExplanation, now: jiff::Timestamp, terminal: Terminal) -> String {
    let decision = &pool.decision;
    let action = match decision.action {
        ScalingAction::ScaleUp => "scale up",
        ScalingAction::ScaleDown => "scale down",
        ScalingAction::Maintain => "maintain",
    };
    let mut text = format!("{}: {action}\n", terminal.paint(Tone::Strong, format!("pool {name}")));
    text += &hanging(terminal, "  ", 2, &decision.reason);
    if let Some(NextChange { at, what }) = pool.next_changes.first() {
        text +=
            &hanging(terminal, "  next: ", 8, &format!("at {} {what}", at.strftime("%Y-%m-%d %H:%M:%S UTC")));
    }
    if let Some(set) = &pool.scale_set {
        text += &format!("\n{}\n", terminal.paint(Tone::Strong, format!("scale set {}", set.name)));
        text += &hanging(terminal, "  ", 2, &set.in_words(now));
        text += &hanging(terminal, "  labels: ", 10, &set.labels_in_words());
    }
    text += &format!("\n{}\n", terminal.paint(Tone::Strong, "waiting jobs"));
    for job in &pool.jobs {
        text += &in_brief(job, job.first_open(), terminal);
    }
    if pool.jobs.is_empty() {
        text += "  none\n";
    }
    if pool.more_jobs > 0 {
        text += &format!("  and {} more, younger; --job explains each\n", pool.more_jobs);
    }
    text += &format!("\n{}\n", terminal.paint(Tone::Strong, "runners"));
    for runner in &pool.runners {
        let broken = runner.links.iter().find(|link| link.state == LinkState::Broken);
        text += &in_brief(runner, broken, terminal);
    }
    if pool.runners.is_empty() {
        text += "  none\n";
    }
    text
}

/// What it is about and the answer; the link that matters gives the mark and the cure.
fn in_brief(explanation: &Explanation, link: Option<&Link>, terminal: Terminal) -> String {
    let mark = link.map_or_else(|| terminal.paint(Tone::Good, "✓"), |link| mark(link, terminal));
    let about = match &explanation.about {
        ExplainedItem::Runner { name, .. } => name.to_string(),
        job @ ExplainedItem::Job { .. } => job.to_string(),
    };
    let mut text = hanging(terminal, &format!("  {mark} "), 4, &format!("{about}: {}", explanation.verdict));
    if let Some(cure) = link.and_then(|link| link.cure.as_ref()) {
        text += &hanging(terminal, "    → ", 6, cure);
    }
    text
}

/// `docs/reference/schemas/explain.schema.json`.
pub(super) fn json(explained: &Explained) -> Value {
    let pool = explained.pool.as_ref().map(|(name, pool)| {
        json!({
            "pool": name, "decision": pool.decision, "next_changes": pool.next_changes, "more_jobs": pool.more_jobs,
            "scale_set": pool.scale_set,
        })
    });
    let of_pool = explained.pool.iter().flat_map(|(_, pool)| pool.jobs.iter().chain(&pool.runners));
    let explanations: Vec<&Explanation> = explained.explanations.iter().chain(of_pool).collect();
    json!({"version": 1, "explanations": explanations, "pool": pool, "troubles": explained.troubles})
}

#[cfg(test)]
mod tests;
