//! The last links of a job's chain: its runner, from the VM to the assignment of the job.

use std::time::Duration;

use jiff::Timestamp;

use super::job::JobChain;
use super::{Link, LinkKind, decision, first_tick_after, when};
use crate::model::{
    Action, EphemeralRunner, ErrorPolicy, ForeignText, Phase, ScalingAction, Scope, ago, counted, elapsed,
    first_few, in_words,
};
use crate::plan::Rotation;
use crate::state::StartBackoff;

/// GitHub assigns a job within seconds. After this time something is wrong.
const ASSIGNED_WITHIN: Duration = Duration::from_secs(120);

impl<'a> JobChain<'a> {
    fn offline_since(&self, runner: &EphemeralRunner) -> Option<Timestamp> {
        self.view.fleet_state.runners.get(&runner.runner_name)?.offline_since
    }

    fn registered(&self) -> impl Iterator<Item = &'a EphemeralRunner> {
        self.view.plan.runners.iter().filter(|runner| matches!(runner.status, Phase::Registered { .. }))
    }

    fn idle(&self) -> impl Iterator<Item = &'a EphemeralRunner> {
        self.registered().filter(|runner| self.offline_since(runner).is_none())
    }

    /// Runners that are starting, without replacements, which add no runner.
    fn coming(&self) -> Vec<&'a EphemeralRunner> {
        let view = self.view;
        let rotation =
            Rotation::of(view.fleet, &view.plan.runners, &view.seen.in_flight, view.fleet_state, view.now);
        let replacing = rotation.coming();
        let comes = |runner: &&EphemeralRunner| {
            matches!(runner.status, Phase::Provisioning { .. }) && !replacing.contains(&runner.runner_name)
        };
        view.plan.runners.iter().filter(comes).collect()
    }

    /// Idle runners that are registered with every label of the job.
    pub(super) fn ready(&self) -> impl Iterator<Item = &'a EphemeralRunner> {
        let (entries, job) = (self.view.seen.entries.as_ref().ok(), self.job);
        self.idle().filter(move |runner| {
            let entry = entries.and_then(|entries| entries.get(&runner.runner_name));
            entry.is_none_or(|entry| {
                // A list without labels does not show that one is missing.
                let has = |wanted: &ForeignText| {
                    entry.labels.iter().any(|label| label.eq_ignore_ascii_case(wanted))
                };
                entry.labels.is_empty() || job.labels.iter().all(has)
            })
        })
    }

    pub(super) fn vm(&self) -> (Link, String) {
        let (view, before) = (self.view, self.before());
        let ready = self.ready().count();
        if before < ready {
            return (Link::holds(LinkKind::Vm, format!("{} online", are_runners(ready))), String::new());
        }
        let (fleet, failures) = (view.fleet, &view.fleet_state.failures);
        let coming = self.coming();
        if before < ready + coming.len() {
            let limit = in_words(fleet.lifecycle.boot_timeout);
            let told = coming.iter().map(|runner| {
                let state =
                    runner.vm.as_ref().map_or("asked for".to_owned(), |vm| format!("{:?}", vm.provisioning));
                format!("{} for {} ({state})", runner.runner_name, ago(runner.created_at, view.now))
            });
            let what =
                format!("starting: {}; each has boot_timeout ({limit}) to come online", first_few(told));
            return match failures.count {
                0 => (Link::waits(LinkKind::Vm, what), "its runner is starting".to_owned()),
                failed => {
                    let last =
                        if failed == 1 { "the last one".to_owned() } else { format!("the last {failed}") };
                    let what = format!(
                        "{what}. {} failed, the last with: {}{}",
                        counted(failed, "start"),
                        failures.why,
                        printed(failures)
                    );
                    let cure = format!(
                        "if this one fails too: `azlin github-runner check --pool {}`; what a VM printed \
                         is in the journal: `journalctl -u azlin-github-runner -p warning FLEET={}`",
                        fleet.name, fleet.name
                    );
                    let came =
                        if failures.policy == ErrorPolicy::GiveUp { "never came online" } else { "failed" };
                    let verdict = format!("its runner is starting (attempt {}; {last} {came})", failed + 1);
                    (Link::waits(LinkKind::Vm, what).cure(cure), verdict)
                }
            };
        }
        let unlike = self.idle().count() - ready;
        if before < ready + coming.len() + unlike {
            let what = format!(
                "{} idle, and registered without a label that it asks for: made from another configuration of {}",
                are_runners(unlike),
                fleet.name
            );
            let cure = "none is needed: they are replaced one after another; deleting their VMs while idle is quicker";
            return (
                Link::waits(LinkKind::Vm, what).cure(cure),
                "the idle runners lack its labels".to_owned(),
            );
        }
        let offline: Vec<Timestamp> =
            self.registered().filter_map(|runner| self.offline_since(runner)).collect();
        if before < ready + coming.len() + unlike + offline.len() {
            return self.offline(&offline);
        }
        if let Some(left) = failures.wait_left(view.now) {
            let at =
                decision::after(view.now, left).map_or_else(String::new, |at| first_tick_after(at, view.now));
            let what = format!(
                "starts failed {} in a row; the next is tried {at}. The last said: {}{}",
                counted(failures.count, "time"),
                failures.why,
                printed(failures)
            );
            let cure = format!(
                "`azlin github-runner check --pool {}` looks for the cause: permissions, quota, image, the subnet's way \
                 out; what a VM printed is in the journal: `journalctl -u azlin-github-runner -p warning FLEET={}`",
                fleet.name, fleet.name
            );
            return (
                Link::broken(LinkKind::Vm, what).cure(cure),
                "no runner could be started for it".to_owned(),
            );
        }
        let starts = decision::starts(view);
        if let Some(none) = &view.plan.no_room {
            let cure = format!(
                "add sizes of other families, zones, or another region ([[vm.elsewhere]]) to fleets/{}.toml, or ask for a \
                 higher quota (portal: Quotas, Compute)",
                fleet.name
            );
            let what = format!("{none}; it is asked again {}", first_tick_after(none.until, view.now));
            let link = Link::broken(LinkKind::Vm, what).cure(cure);
            return (link, "Azure has no room for its runner".to_owned());
        }
        if starts == 0
            && view.fleet_state.capacity.is_nowhere(fleet, view.now)
            && let Some(closed) = view.plan.closed_places()
        {
            let cure = format!(
                "`azlin github-runner check --pool {pool}` shows which sizes and zones this subscription can have, and \
                 `azlin github-runner enable --pool {pool} --sizes SIZE,…` (or --zones, --location) sets others; a try \
                 every two minutes shows whether it helped",
                pool = fleet.name
            );
            let what = format!("Azure never makes the fleet's VMs in any of its places: {closed}");
            return (Link::broken(LinkKind::Vm, what).cure(cure), "Azure never makes its VM".to_owned());
        }
        let again = if failures.count == 0 {
            String::new()
        } else {
            format!(
                " after {}, the last of which said: {}",
                counted(failures.count, "failed start"),
                failures.why
            )
        };
        if starts == 0 {
            let what = match view.plan.decision.action {
                ScalingAction::ScaleUp => {
                    "max_runners leaves no room until runners that are on their way out are gone".to_owned()
                }
                ScalingAction::Maintain | ScalingAction::ScaleDown => {
                    format!("the next tick starts none: {}", view.plan.decision.reason)
                }
            };
            return (Link::waits(LinkKind::Vm, what), "the next tick starts no runner for it".to_owned());
        }
        let place = view.plan.actions.iter().find_map(|action| match action {
            Action::Provision { offerings, .. } => offerings.first(),
            Action::Install(_)
            | Action::Destroy(_)
            | Action::Prepare { .. }
            | Action::Deallocate(_)
            | Action::ClearUserData(_) => None,
        });
        let place = place.map_or(String::new(), |place| format!(": {place}"));
        let what = format!("the next tick starts {}{place}{again}", counted(starts, "runner"));
        let cure = "none is needed while the daemon runs: see `systemctl status azlin-github-runner`";
        (Link::waits(LinkKind::Vm, what).cure(cure), "the next tick starts a runner for it".to_owned())
    }

    /// Runners that went offline count as available until offline_timeout is over, so no other is started for them.
    fn offline(&self, since: &[Timestamp]) -> (Link, String) {
        let (now, limit) = (self.view.now, self.view.fleet.lifecycle.offline_timeout);
        let first = since.iter().min().copied().unwrap_or(now);
        let time = first.strftime("%H:%M:%S UTC");
        let ends = decision::after(first, limit).map_or_else(String::new, |at| when(at, now));
        let what = format!(
            "{} offline since {time}, counted as available until offline_timeout ({}) ends {ends}",
            are_runners(since.len()),
            in_words(limit)
        );
        let cure = "look at the network of its VM, and at the service of the runner on it; it is replaced when its time is up";
        (Link::waits(LinkKind::Vm, what).cure(cure), "the runner that could take it is offline".to_owned())
    }

    pub(super) fn registration(&self) -> (Link, String) {
        let (view, now) = (self.view, self.view.now);
        let names = first_few(self.ready().map(|runner| runner.runner_name.to_string()));
        let idle_since = self
            .ready()
            .filter_map(|runner| view.fleet_state.runners.get(&runner.runner_name)?.idle_since)
            .min();
        let idle = idle_since.map(|since| elapsed(since, now)).unwrap_or_default();
        // GitHub does not report since when a job is queued: an approval does not change the job's age.
        let at_most = idle.min(elapsed(self.job.created_at, now));
        let cure = match &view.fleet.scope {
            Scope::Repo(repo) => format!(
                "look at Settings, Actions, Runners of {repo} whether they are listed as idle, and at githubstatus.com"
            ),
            Scope::Org(_) | Scope::Enterprise(_) => format!(
                "let the runner group {:?} of {} be used by {} (Settings, Actions, Runner groups; public repositories are allowed apart)",
                view.fleet.runner_group.as_deref().unwrap_or("Default"),
                view.fleet.scope,
                self.job.repo
            ),
        };
        if at_most >= ASSIGNED_WITHIN {
            let what = format!(
                "{names} could have taken it for up to {}, and GitHub has not given it",
                in_words(at_most)
            );
            let cure = format!("if it was approved or released a moment ago, wait two minutes; else {cure}");
            return (
                Link::broken(LinkKind::Registration, what).cure(cure),
                "GitHub has not given it to runners that are idle".to_owned(),
            );
        }
        let what =
            format!("{names} idle, with all of its labels: GitHub gives it to one of them within seconds");
        let cure = format!("none is needed; if it still waits in two minutes, {cure}");
        (Link::waits(LinkKind::Registration, what).cure(cure), "an idle runner is there for it".to_owned())
    }
}

/// What the VM of a failed start has printed last, where that is known.
fn printed(failures: &StartBackoff) -> String {
    let console = failures.console.as_ref();
    console.map_or_else(String::new, |lines| format!(". Its console ended with: {lines}"))
}

/// "1 runner is", "2 runners are".
fn are_runners(number: usize) -> String {
    format!("{} {}", counted(number as u64, "runner"), if number == 1 { "is" } else { "are" })
}
