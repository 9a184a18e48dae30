//! `[demand]`: from where the fleet learns of its jobs.

use serde::Serialize;
use toml::de::DeValue;

use super::Fleet;
use super::reader::Table;
use crate::model::{Label, ScaleSetConfig};

/// The longest name of a scale set that is taken. GitHub states none; its own controller has a shorter one.
const LONGEST_NAME: usize = 64;

/// From where a fleet learns of its jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DemandSource {
    /// It polls the queues of its repositories, and webhooks may tell it when to.
    Queue,
    /// A runner scale set of GitHub's tells it.
    ScaleSet,
}

/// `[demand]`: from where the fleet learns of its jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemandConfig {
    /// The source.
    pub source: DemandSource,
    /// The name of the scale set. Absent means the pool's.
    pub scale_set: Option<String>,
}

impl DemandConfig {
    /// Whether a scale set tells the fleet of its jobs.
    pub fn is_scale_set(&self) -> bool {
        self.source == DemandSource::ScaleSet
    }
}

/// What a fleet's scale set should be; `None` for a fleet without one. Its name is a label, and so are the implicit
/// labels: a workflow that names them is served whatever the source of demand is.
pub fn wanted_set(fleet: &Fleet) -> Option<ScaleSetConfig> {
    let name = fleet.scale_set_name()?;
    let own = name.parse::<Label>().ok();
    let mut labels: Vec<Label> = own.into_iter().collect();
    for label in fleet.all_labels() {
        if !labels.iter().any(|known| known.matches(label.as_str())) {
            labels.push(label);
        }
    }
    let (scope, runner_group) = (fleet.scope.clone(), fleet.runner_group.clone());
    Some(ScaleSetConfig { scope, name: name.to_owned(), runner_group, labels })
}

impl Fleet {
    /// The implicit labels and the fleet's own, each once.
    pub fn all_labels(&self) -> Vec<Label> {
        let implicit = self.implicit_labels();
        let own = self.labels.iter().filter(|label| !implicit.iter().any(|known| label.matches(known)));
        let parsed = implicit.iter().filter_map(|label| label.parse::<Label>().ok());
        parsed.chain(own.cloned()).collect()
    }
}

pub(super) fn demand(mut table: Table<'_, '_>) -> DemandConfig {
    let source = table.or("source", DemandSource::Queue, |value: &DeValue<'_>| match value.as_str() {
        Some("queue") => Ok(DemandSource::Queue),
        Some("scale-set") => Ok(DemandSource::ScaleSet),
        _ => Err("\"queue\" or \"scale-set\"".to_owned()),
    });
    let name = table.spanned("scale_set", set_name);
    if let (Some((_, span)), DemandSource::Queue) = (&name, source) {
        let message = "only demand.source = \"scale-set\" has a scale set".to_owned();
        let help = "remove it, or set source = \"scale-set\"".to_owned();
        table.conflict(span.clone(), "scale_set", message, Some(help));
    }
    table.finish();
    DemandConfig { source, scale_set: name.map(|(name, _)| name) }
}

/// A name that may stand in `runs-on`, as labels do.
fn set_name(value: &DeValue<'_>) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let fits = |text: &&str| (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(is_plain);
    value
        .as_str()
        .filter(fits)
        .map(str::to_owned)
        .ok_or_else(|| format!("1 to {LONGEST_NAME} of a-z A-Z 0-9 . _ -"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::fleet_with;

    #[test]
    fn a_fleet_with_a_scale_set_has_a_runner_for_each_job_at_once() {
        let queue = fleet_with("ci", "", "");
        let set = |scaling: &str| fleet_with("ci", "[demand]\nsource = \"scale-set\"", scaling);
        let numbers = |fleet: &Fleet| {
            (
                fleet.scaling.jobs_per_runner,
                fleet.scaling.scale_up_threshold,
                fleet.scaling.max_queue_wait.as_secs(),
            )
        };
        assert_eq!(numbers(&queue), (2, 2, 60));
        assert_eq!(numbers(&set("")), (1, 0, 0));
        assert_eq!(
            numbers(&set("jobs_per_runner = 2\nscale_up_threshold = 3\nmax_queue_wait = \"9s\"")),
            (2, 3, 9),
            "as the file says"
        );
        assert_eq!((queue.scale_set_name(), set("").scale_set_name()), (None, Some("ci")));
    }

    #[test]
    fn a_runner_is_of_its_scale_set_and_no_other() {
        let of = |demand: &str| fleet_with("ci", demand, "").config_hash().to_owned();
        let set = "[demand]\nsource = \"scale-set\"\n";
        let all = [of(""), of(set), of(&format!("{set}scale_set = \"gpu\""))];
        assert_eq!(of("[demand]\nsource = \"queue\""), all[0]);
        assert!(all[0] != all[1] && all[1] != all[2], "{all:?}");
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let read = |top: &str| {
            let text = format!("repo = \"o/r\"\n{top}\n[vm]\nsubscription_id = \"s\"\n");
            let problems = Fleet::parse("ci.toml", "ci".parse().expect("a name"), &text).expect_err("no VM");
            problems.to_string()
        };
        for (top, says) in [
            ("[demand]\nsource = \"poll\"", "\"queue\" or \"scale-set\""),
            ("[demand]\nscale_set = \"gpu\"", "only demand.source = \"scale-set\" has a scale set"),
            ("[demand]\nsource = \"scale-set\"\nscale_set = \"a b\"", "1 to 64 of a-z"),
            (
                "[demand]\nsource = \"scale-set\"\n[lifecycle]\nmax_job_count = 3\n[bootstrap]\nmethod = \"ssh\"",
                "allowed with demand.source = \"scale-set\": 1",
            ),
        ] {
            assert!(read(top).contains(says), "{top}: {}", read(top));
        }
    }
}
