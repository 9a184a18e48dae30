//! Labels: which labels of a job the runners lack, which fleets have them, and which labels have a similar
//! spelling.

use super::{Link, LinkKind};
use crate::config::Fleet;
use crate::model::{ForeignText, Job, Label, Scope, first_few};
use crate::observe::{has_label, is_in_scope, serves};

/// The most similar names that are suggested.
const OFFERED: usize = 3;

/// Labels of the job that the fleet's runners lack.
pub(super) fn lacking<'j>(fleet: &Fleet, job: &'j Job) -> Vec<&'j str> {
    job.labels.iter().map(ForeignText::as_str).filter(|wanted| !has_label(fleet, wanted)).collect()
}

/// The names with the most similar spelling, the nearest first.
pub fn nearest<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let wanted = wanted.to_ascii_lowercase();
    let rank = |name: &str| {
        let name = name.to_ascii_lowercase();
        let edits = strsim::damerau_levenshtein(&wanted, &name);
        let is_part = name.contains(&wanted) || (name.len() > 2 && wanted.contains(&name));
        let is_near = edits <= (wanted.len().max(name.len()) / 3).max(1);
        (is_part || is_near).then_some((!is_near, edits))
    };
    let mut near: Vec<_> = names.into_iter().filter_map(|name| rank(name).map(|rank| (rank, name))).collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(OFFERED).map(|(_, name)| name).collect()
}

/// Judges whether the fleet's runners have the labels that the job asks for.
pub(super) fn judge(fleet: &Fleet, fleets: &[&Fleet], job: &Job) -> Link {
    let lacking = lacking(fleet, job);
    let pool = &fleet.name;
    if job.labels.is_empty() {
        return without_labels(fleet);
    }
    if lacking.is_empty() {
        let asked = job.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        return Link::holds(LinkKind::Labels, format!("asks for {asked}; the runners of {pool} will do"));
    }
    let quoted = lacking.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
    if job.is_for_hosted() {
        let what = format!("asks for {quoted}, which is for runners that GitHub hosts: no fleet counts it");
        return Link::broken(LinkKind::Labels, what).cure(
            "GitHub runs it by itself; `runs-on: self-hosted` and labels of a fleet would bring it here",
        );
    }
    let serving = fleets.iter().filter(|other| serves(other, job)).map(|other| other.name.to_string());
    let serving = first_few(serving);
    if !serving.is_empty() {
        let what =
            format!("asks for {quoted}, which the runners of {pool} lack; those of {serving} have it all");
        return Link::broken(LinkKind::Labels, what).cure(format!(
            "see what {serving} makes of it with `--pool`, or add {quoted} to `labels` of {pool}"
        ));
    }
    let told: Vec<String> = lacking.iter().map(|label| who_has(label, fleets, job)).collect();
    let what = format!("asks for {quoted}: {}", told.join("; "));
    Link::broken(LinkKind::Labels, what)
        .cure(format!("correct `runs-on` in the workflow, or add {quoted} to `labels` of {pool}"))
}

/// Judges a job that asks for a runner group alone.
fn without_labels(fleet: &Fleet) -> Link {
    let pool = &fleet.name;
    if fleet.takes_jobs_without_labels {
        let what = format!(
            "asks for no label, but for a runner group: the file of {pool} says that it takes such jobs"
        );
        return Link::holds(LinkKind::Labels, what);
    }
    let what = format!(
        "asks for no label, but for a runner group, which GitHub does not show while the job is queued: {pool} counts no \
         such job"
    );
    let cure = match &fleet.scope {
        Scope::Repo(_) => "give `runs-on` a label of the fleet".to_owned(),
        Scope::Org(_) | Scope::Enterprise(_) => format!(
            "give `runs-on` a label of the fleet beside the group, or set `takes_jobs_without_labels = true` in \
             fleets/{pool}.toml if it alone has runners in the group and no such job asks for another group"
        ),
    };
    Link::broken(LinkKind::Labels, what).cure(cure)
}

/// The fleets that have a label, or their labels with a similar spelling.
fn who_has(wanted: &str, fleets: &[&Fleet], job: &Job) -> String {
    let having: Vec<&&Fleet> = fleets.iter().filter(|fleet| has_label(fleet, wanted)).collect();
    if !having.is_empty() {
        let told = having.iter().map(|fleet| {
            let lacks = lacking(fleet, job);
            if is_in_scope(fleet, &job.repo) {
                let lacks = lacks.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
                format!("{}, which lacks {lacks}", fleet.name)
            } else {
                format!("{}, which is on {}", fleet.name, fleet.scope)
            }
        });
        return format!("`{wanted}` is only on {}", first_few(told));
    }
    let own = fleets.iter().flat_map(|fleet| fleet.labels.iter().map(Label::as_str));
    let implicit = fleets.iter().flat_map(|fleet| fleet.implicit_labels());
    let near = nearest(wanted, own.chain(implicit));
    let near = near.into_iter().map(|name| {
        let of = fleets.iter().filter(|fleet| has_label(fleet, name)).map(|fleet| fleet.name.to_string());
        format!("`{name}` of {}", first_few(of))
    });
    let near: Vec<String> = near.collect();
    if near.is_empty() {
        let has: Vec<String> = fleets
            .iter()
            .filter(|fleet| is_in_scope(fleet, &job.repo))
            .map(|fleet| {
                let labels = fleet.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>();
                let labels = if labels.is_empty() {
                    "none but the implicit ones".to_owned()
                } else {
                    labels.join(", ")
                };
                format!("{} has {labels}", fleet.name)
            })
            .collect();
        return format!("no fleet has `{wanted}` ({})", first_few(has));
    }
    format!(
        "no fleet has `{wanted}`, nearest {} {}",
        if near.len() == 1 { "is" } else { "are" },
        near.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spelled_alike_is_offered_and_nothing_else() {
        let names = ["docker", "gpu-a100", "linux", "X64", "arm64"];
        let table: &[(&str, &[&str])] = &[
            ("dokcer", &["docker"]),
            ("DOCKER-2", &["docker"]),
            ("gpu", &["gpu-a100"]),
            ("x46", &["X64"]),
            ("windows", &[]),
        ];
        for (wanted, offered) in table {
            assert_eq!(nearest(wanted, names), *offered, "{wanted}");
        }
    }

    #[test]
    fn the_nearest_come_first_and_only_some_are_offered() {
        let names = ["gpu", "gpu-a100", "cpu", "docker", "gp", "x", "large-disk", "large"];
        for (wanted, expected) in [
            ("gpu", vec!["gpu", "cpu", "gp"]),
            ("GPU", vec!["gpu", "cpu", "gp"]),
            ("a100", vec!["gpu-a100"]),
            ("dokcer", vec!["docker"]),
            ("dokcre", vec!["docker"]),
            ("large-gp", vec!["large"]),
            ("doc", vec!["docker"]),
            ("larger", vec!["large"]),
            ("x64", vec![]),
            ("windows", vec![]),
        ] {
            assert_eq!(nearest(wanted, names), expected, "{wanted}");
        }
    }
}
