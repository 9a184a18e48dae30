//! How explanations look, wide and narrow.

use azlin_fleet::explain::LinkKind;
use azlin_fleet::model::{JobId, Rule, WebLink};
use azlin_fleet::plan::DecisionStatus;

use super::*;

fn terminal(width: Option<usize>) -> Terminal {
    Terminal { width, colour: false }
}

fn link(link: LinkKind, state: LinkState, what: &str, cure: Option<&str>) -> Link {
    Link { link, state, what: what.to_owned(), cure: cure.map(str::to_owned) }
}

fn job() -> Explanation {
    let pool = "ci".parse().ok();
    let repo = "o/r".parse().ok();
    let page = "https://github.com/o/r/actions/runs/11/job/22";
    let link_to = WebLink::on_site(page, &"https://github.com".parse().expect("a URL"));
    let (name, workflow) = (Some("build (linux)".to_owned()), Some("CI".into()));
    Explanation {
        about: ExplainedItem::Job { pool, id: JobId(22), name, repo, workflow, link: link_to },
        verdict: "asks for `gpu`, which no runner of ci has".to_owned(),
        links: vec![
            link(LinkKind::Queue, LinkState::Holds, "queued 3m 20s ago in run 11 of o/r", None),
            link(
                LinkKind::Labels,
                LinkState::Broken,
                "asks for `gpu`: no fleet has `gpu`, nearest is `gpu-a100` of big",
                Some("correct `runs-on` in the workflow, or add `gpu` to `labels` of ci"),
            ),
            link(LinkKind::Enabled, LinkState::NotReached, "", None),
            link(LinkKind::Attribution, LinkState::NotReached, "", None),
        ],
    }
}

fn runner() -> Explanation {
    let pool: PoolName = "ci".parse().expect("valid");
    let name = azlin_fleet::model::RunnerName::new(&pool, jiff::Timestamp::UNIX_EPOCH, 7);
    Explanation {
        about: ExplainedItem::Runner { pool, name },
        verdict: "is offline for 1m, and replaced in 4m, at 12:00:00 UTC unless it comes back".to_owned(),
        links: vec![
            link(LinkKind::Vm, LinkState::Holds, "Standard_D4s_v5 in s/rg, Succeeded, running, 1h old", None),
            link(
                LinkKind::Registration,
                LinkState::Broken,
                "runner 5 at repo:o/r, offline for 1m",
                Some("its VM's network and the service of the runner on it"),
            ),
            link(LinkKind::Work, LinkState::Waits, "none; it is for one job", None),
        ],
    }
}

fn whole() -> Explained {
    let decision = DecisionStatus {
        action: ScalingAction::Maintain,
        target_runner_count: Some(1),
        current_runner_count: Some(0),
        rule: Rule::Threshold,
        reason: "1 job queued, 1 runner short: holding until a job has waited 1m (scale_up_threshold is 2)"
            .to_owned(),
    };
    let next = NextChange {
        at: jiff::Timestamp::UNIX_EPOCH,
        what: "job 22 has waited max_queue_wait (1m)".to_owned(),
    };
    let pool = PoolExplanation {
        scale_set: None,
        jobs: vec![job()],
        more_jobs: 3,
        runners: vec![runner()],
        decision,
        next_changes: vec![next],
    };
    Explained { pool: Some(("ci".parse().expect("valid"), pool)), ..Explained::default() }
}

#[test]
fn wide_and_narrow() {
    let chains = Explained { explanations: vec![job(), runner()], ..Explained::default() };
    let unseen =
        Explained { troubles: vec!["the VMs of s/rg: 503 Service Unavailable".to_owned()], ..whole() };
    let mut text = String::new();
    for width in [Some(120), Some(60), None] {
        for (told, is_remembered) in [(&chains, true), (&unseen, false)] {
            text += &format!("== {width:?}\n{}\n", table(told, is_remembered, terminal(width)));
        }
    }
    insta::assert_snapshot!(text);
    let too_wide = |line: &&str| line.chars().count() > 120;
    let wide = table(&unseen, false, terminal(Some(120)));
    assert_eq!(wide.lines().find(too_wide), None);
}

#[test]
fn colours_change_no_letter() {
    let told = Explained { explanations: vec![job()], ..whole() };
    let plain = table(&told, false, terminal(Some(80)));
    let painted = table(&told, false, Terminal { width: Some(80), colour: true });
    let mut text = String::new();
    let mut rest = painted.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        text += before;
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    assert_ne!(plain, painted);
    assert_eq!(text + rest, plain);
}
