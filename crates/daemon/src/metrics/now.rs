//! Gauges, read from the status store at each scrape.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::AtomicU64;

use azlin_fleet::config::ForgottenFleet;
use azlin_fleet::model::{Budget, Calls, PhaseKind};
use azlin_fleet::report::{DaemonErrorKind, FleetErrorKind, FleetStatus};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::OfFleet;
use crate::context::DaemonContext;
use crate::status_store::StatusView;

/// A gauge for numbers and timestamps.
type Number = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    fleet: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKnown {
    fleet: String,
    what: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPhase {
    fleet: String,
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCredential {
    credential: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    fleet: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDaemonError {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfUse {
    fleet: String,
    r#use: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCall {
    api: &'static str,
    credential: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCalls {
    calls: &'static str,
}

fn family<L: Clone + Hash + Eq>(values: impl IntoIterator<Item = (L, f64)>) -> Family<L, Number> {
    let family = Family::<L, Number>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(value);
    }
    family
}

pub(super) fn register(registry: &mut Registry, view: &StatusView, context: &DaemonContext) {
    let fleets = || view.fleets.values();
    let each = |value: fn(&FleetStatus) -> Option<f64>| {
        family(fleets().filter_map(|fleet| Some((OfFleet { fleet: fleet.pool.to_string() }, value(fleet)?))))
    };
    let moment = |at: jiff::Timestamp| at.as_millisecond() as f64 / 1e3;
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "What runs", version);
    let known = fleets().flat_map(|fleet| {
        [("jobs", fleet.jobs_known), ("runners", fleet.runners_known)].map(|(what, known)| {
            (OfKnown { fleet: fleet.pool.to_string(), what }, f64::from(u8::from(known)))
        })
    });
    registry.register("fleet_known", "Whether the last look at a fleet saw all of it", family(known));
    let jobs = fleets().filter_map(|fleet| Some((fleet, fleet.jobs?))).flat_map(|(fleet, jobs)| {
        let held = jobs.queued_jobs.saturating_sub(jobs.pending_jobs);
        let unserved = fleet.unserved_jobs;
        [
            ("pending", jobs.pending_jobs),
            ("held", held),
            ("in_progress", jobs.in_progress_jobs),
            ("unserved", unserved),
        ]
        .map(|(state, count)| (OfState { fleet: fleet.pool.to_string(), state }, f64::from(count)))
    });
    registry.register(
        "jobs",
        "Jobs of a fleet: those that could start, those that a rule or a group holds, those that run, and those like it that no fleet serves; absent where nothing of them is known",
        family(jobs),
    );
    let sets = || fleets().filter_map(|fleet| Some((fleet.pool.to_string(), fleet.scale_set.as_ref()?)));
    let session =
        sets().map(|(fleet, set)| (OfFleet { fleet }, f64::from(u8::from(set.session_since.is_some()))));
    registry.register(
        "scale_set_session",
        "Whether the session of a fleet's scale set is open",
        family(session),
    );
    let assigned = sets().flat_map(|(fleet, set)| {
        let waiting = set.assigned.saturating_sub(set.running);
        [("waiting", waiting), ("running", set.running)]
            .map(|(state, count)| (OfState { fleet: fleet.clone(), state }, f64::from(count)))
    });
    registry.register(
        "scale_set_jobs",
        "Jobs that GitHub has assigned to a fleet's scale set: those that wait for a runner, and those that run",
        family(assigned),
    );
    registry.register(
        "scale_set_lapses",
        "Assignments that have lapsed since the daemon began, because no runner took the job in time",
        family(sets().map(|(fleet, set)| (OfFleet { fleet }, f64::from(set.lapses)))),
    );
    let runners = fleets().filter(|fleet| fleet.runners_known).flat_map(|fleet| {
        PhaseKind::ALL.map(|phase| {
            let count = fleet.count(phase);
            (OfPhase { fleet: fleet.pool.to_string(), phase: phase.as_str() }, count as f64)
        })
    });
    registry.register(
        "runners",
        "Runners of a fleet by phase; absent where they are not known",
        family(runners),
    );
    let mut gauge = |name: &str, help: &str, value: fn(&FleetStatus) -> Option<f64>| {
        registry.register(name, help, each(value));
    };
    gauge("runners_min", "The least runners that are kept available", |fleet| Some(fleet.min_runners.into()));
    gauge("runners_max", "The most VMs", |fleet| Some(fleet.max_runners.into()));
    gauge(
        "runners_target",
        "How many runners should be available; absent where runners are not known",
        |fleet| fleet.decision.target_runner_count.map(f64::from),
    );
    gauge("fleet_enabled", "Whether the fleet serves jobs", |fleet| Some(f64::from(u8::from(fleet.enabled))));
    let errors = fleets().flat_map(|fleet| {
        FleetErrorKind::ALL.map(|kind| {
            let count = fleet.errors.iter().filter(|error| error.about == kind).count();
            (OfKind { fleet: fleet.pool.to_string(), kind: kind.as_str() }, count as f64)
        })
    });
    registry.register("fleet_errors", "What is wrong with a fleet at present, by kind", family(errors));
    registry.register(
        "removals_failing",
        "Runners, and parts that VMs left behind, whose removal fails each time it is tried",
        each(|fleet| Some(fleet.failing_removals.len() as f64)),
    );
    costs(registry, view);
    let seconds = Unit::Seconds;
    let at = family(fleets().map(|fleet| (OfFleet { fleet: fleet.pool.to_string() }, moment(fleet.at))));
    registry.register_with_unit(
        "fleet_last_tick_timestamp",
        "When the fleet was looked at last",
        seconds.clone(),
        at,
    );
    let oldest = fleets().filter_map(|fleet| {
        let since = fleet.oldest_pending.as_ref()?.since;
        Some((OfFleet { fleet: fleet.pool.to_string() }, moment(since)))
    });
    let help = "Since when the job waits that has waited longest; absent where none does, and where jobs are not known";
    registry.register_with_unit("oldest_pending_job_timestamp", help, seconds.clone(), family(oldest));
    let bad = Number::default();
    bad.set(view.bad_files.len() as f64);
    registry.register("bad_files", "Configuration files that cannot be used", bad);
    let errors = DaemonErrorKind::ALL.map(|kind| {
        let count = view.errors.iter().filter(|error| error.about == kind).count();
        (OfDaemonError { kind: kind.as_str() }, count as f64)
    });
    registry.register(
        "daemon_errors",
        "What is wrong with the daemon itself at present, by kind",
        family(errors),
    );
    budgets(registry, context, moment);
    calls(registry, context);
}

/// What VMs cost. The sum survives restarts, so it is read like a gauge.
fn costs(registry: &mut Registry, view: &StatusView) {
    let fleets =
        || view.fleets.values().filter_map(|fleet| Some((fleet.pool.to_string(), fleet.cost.as_ref()?)));
    let spent = Family::<OfUse, Counter<f64, AtomicU64>>::default();
    let jobs = Family::<OfFleet, Counter>::default();
    for (fleet, cost) in fleets() {
        for (of, dollars) in cost.by_use.iter() {
            spent.get_or_create(&OfUse { fleet: fleet.clone(), r#use: of.as_str() }).inc_by(*dollars);
        }
        jobs.get_or_create(&OfFleet { fleet }).inc_by(cost.jobs);
    }
    let help = "What VMs have cost, by what they did, as far as prices are known";
    registry.register_with_unit("cost", help, Unit::Other("dollars".to_owned()), spent);
    registry.register("jobs_started", "Jobs that runners were seen to take", jobs);
    let forgotten = |value: fn(&ForgottenFleet) -> Option<f64>| {
        let each = view.forgotten.iter();
        each.filter_map(move |one| Some((OfFleet { fleet: one.pool.to_string() }, value(one)?)))
    };
    let vms = family(forgotten(|one| Some(f64::from(one.vms))));
    registry.register("forgotten_vms", "VMs of a fleet whose file is gone; absent where there are none", vms);
    let rate = fleets().filter_map(|(fleet, cost)| Some((OfFleet { fleet }, cost.per_hour?)));
    let rate = family(rate.chain(forgotten(|one| one.per_hour)));
    let help = "What the VMs that are there cost an hour, as far as prices are known";
    registry.register_with_unit("cost_per_hour", help, Unit::Other("dollars".to_owned()), rate);
}

/// The outcomes of requests.
fn calls(registry: &mut Registry, context: &DaemonContext) {
    let requests = Family::<OfCall, Counter>::default();
    let count = |api: &'static str, credential: &str, calls: Calls| {
        for (outcome, count) in calls.by_outcome() {
            let of = OfCall { api, credential: credential.to_owned(), outcome: outcome.as_str() };
            requests.get_or_create(&of).inc_by(count);
        }
    };
    for (credential, github) in context.github.all() {
        count("github", credential, github.calls());
    }
    count("azure", "", context.azure.calls());
    registry.register("api_requests", "Requests to GitHub and to Azure, by how they ended", requests);
}

fn budgets(registry: &mut Registry, context: &DaemonContext, moment: impl Fn(jiff::Timestamp) -> f64) {
    let budgets = context.budgets();
    let first = budgets.github.iter().map(|budget| (String::new(), *budget));
    let all: Vec<(String, Budget)> = first.chain(budgets.credentials.clone()).collect();
    let each = |value: &dyn Fn(&Budget) -> f64| {
        family(all.iter().map(|(name, budget)| (OfCredential { credential: name.clone() }, value(budget))))
    };
    let mut add =
        |name: &str, help: &str, metric: Family<OfCredential, Number>| registry.register(name, help, metric);
    add("github_budget_limit", "Requests in GitHub's window", each(&|budget| budget.limit as f64));
    add("github_budget_remaining", "What is left of them", each(&|budget| budget.remaining as f64));
    let reset = each(&|budget| moment(budget.reset));
    registry.register_with_unit(
        "github_budget_reset_timestamp",
        "When the window ends",
        Unit::Seconds,
        reset,
    );
    let azure = &budgets.azure;
    let calls = [
        ("reads", azure.reads),
        ("global_reads", azure.global_reads),
        ("writes", azure.writes),
        ("deletes", azure.deletes),
    ];
    let left = calls.into_iter().filter_map(|(calls, left)| Some((OfCalls { calls }, left? as f64)));
    registry.register(
        "azure_budget_remaining",
        "What is left of Azure's limits on the subscription",
        family(left),
    );
}
