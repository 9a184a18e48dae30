//! Metrics for graphs and alerts, in the format of Prometheus.
//!
//! Counters count since the process began. Gauges are read from the
//! [`StatusStore`](crate::status_store::StatusStore) at each scrape, so a removed fleet leaves no line
//! behind.

mod now;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use azlin_fleet::model::{BootstrapOutcome, Completed, PoolName};
use azlin_fleet::plan::ScalingDecision;
use azlin_fleet::state::BootSteps;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::context::DaemonContext;
use crate::status_store::StatusView;

/// The content type of the text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The counters of all fleets.
#[derive(Debug, Clone)]
pub(crate) struct Metrics(Arc<MetricFamilies>);

#[derive(Debug)]
struct MetricFamilies {
    ticks: Family<OfTick, Counter>,
    tick_seconds: Histogram,
    decisions: Family<OfDecision, Counter>,
    actions: Family<OfOutcome, Counter>,
    action_seconds: Family<OfAction, Histogram, fn() -> Histogram>,
    boot_seconds: Family<OfFleet, Histogram, fn() -> Histogram>,
    step_seconds: Family<OfStep, Histogram, fn() -> Histogram>,
    wait_seconds: Family<OfFleet, Histogram, fn() -> Histogram>,
    deliveries: Family<OfDelivery, Counter>,
    connections: Family<OfConnection, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFleet {
    fleet: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStep {
    fleet: String,
    step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTick {
    fleet: String,
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDecision {
    fleet: String,
    action: &'static str,
    rule: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAction {
    action: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    fleet: String,
    action: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDelivery {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfConnection {
    door: &'static str,
    outcome: &'static str,
}

/// From 50 ms to 27 minutes.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.05, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics(Arc::new(MetricFamilies {
            ticks: Family::default(),
            tick_seconds: seconds(),
            decisions: Family::default(),
            actions: Family::default(),
            action_seconds: Family::new_with_constructor(seconds),
            boot_seconds: Family::new_with_constructor(seconds),
            step_seconds: Family::new_with_constructor(seconds),
            wait_seconds: Family::new_with_constructor(seconds),
            deliveries: Family::default(),
            connections: Family::default(),
        }))
    }
}

impl Metrics {
    /// A tick of a fleet ended with a decision.
    pub(crate) fn ticked(
        &self,
        fleet: &PoolName,
        is_triggered: bool,
        took: Duration,
        decided: &ScalingDecision,
    ) {
        let fleet = fleet.to_string();
        let cause = if is_triggered { "webhook" } else { "poll" };
        self.0.ticks.get_or_create(&OfTick { fleet: fleet.clone(), cause }).inc();
        self.0.tick_seconds.observe(took.as_secs_f64());
        let decision = OfDecision { fleet, action: decided.action.as_str(), rule: decided.rule().as_str() };
        self.0.decisions.get_or_create(&decision).inc();
    }

    /// Records the end of an action, and its duration.
    pub(crate) fn ended(&self, fleet_name: &PoolName, completed: &Completed, took: Duration) {
        let (fleet, action) = (fleet_name.to_string(), completed.action());
        self.0.actions.get_or_create(&OfOutcome { fleet, action, outcome: completed.as_str() }).inc();
        self.0.action_seconds.get_or_create(&OfAction { action }).observe(took.as_secs_f64());
        if let Some(BootstrapOutcome::Installed { took, .. }) = completed.bootstrap() {
            for (step, took) in &took.steps {
                self.step(fleet_name, step, *took);
            }
        }
    }

    /// Records that a runner is online: the time since its VM was requested, and of each known step.
    pub(crate) fn booted(&self, fleet: &PoolName, took: Duration, steps: BootSteps) {
        self.0.boot_seconds.get_or_create(&OfFleet { fleet: fleet.to_string() }).observe(took.as_secs_f64());
        let steps = [("vm", steps.vm), ("runner", steps.runner)];
        for (step, took) in steps.into_iter().filter_map(|(step, took)| Some((step, took?))) {
            self.step(fleet, step, took);
        }
    }

    fn step(&self, fleet: &PoolName, step: &'static str, took: Duration) {
        let of_step = OfStep { fleet: fleet.to_string(), step };
        self.0.step_seconds.get_or_create(&of_step).observe(took.as_secs_f64());
    }

    /// Records that a runner took a job, and how long the job had waited.
    pub(crate) fn waited(&self, fleet: &PoolName, waited: Duration) {
        let of_fleet = OfFleet { fleet: fleet.to_string() };
        self.0.wait_seconds.get_or_create(&of_fleet).observe(waited.as_secs_f64());
    }

    /// Records a delivery from GitHub to the webhook.
    pub(crate) fn delivered(&self, outcome: &'static str) {
        self.0.deliveries.get_or_create(&OfDelivery { outcome }).inc();
    }

    /// Records the end of a connection to a listener.
    pub(crate) fn connection_ended(&self, door: &'static str, outcome: &'static str) {
        self.0.connections.get_or_create(&OfConnection { door, outcome }).inc();
    }

    /// All counters and gauges as text.
    pub(crate) fn text(&self, view: &StatusView, context: &DaemonContext) -> String {
        let mut registry = Registry::with_prefix("azlin");
        let counts = &*self.0;
        let MetricFamilies { ticks, tick_seconds, decisions, actions, action_seconds, boot_seconds, .. } =
            counts;
        registry.register(
            "ticks",
            "Looks at a fleet, each with a decision, by what called for them",
            ticks.clone(),
        );
        registry.register_with_unit(
            "tick_duration",
            "From the beginning of a look to the decision",
            Unit::Seconds,
            tick_seconds.clone(),
        );
        registry.register(
            "decisions",
            "Decisions on the number of runners, and the rule that made them",
            decisions.clone(),
        );
        registry.register("actions", "What was done with runners, and how it ended", actions.clone());
        registry.register_with_unit(
            "action_duration",
            "How long it took",
            Unit::Seconds,
            action_seconds.clone(),
        );
        registry.register_with_unit(
            "boot_duration",
            "From the request for a VM until its runner was seen online",
            Unit::Seconds,
            boot_seconds.clone(),
        );
        registry.register(
            "webhook_deliveries",
            "What was delivered to the webhook, by what came of it",
            counts.deliveries.clone(),
        );
        registry.register(
            "connections",
            "Connections to the listeners, by whom they were for and how they ended",
            counts.connections.clone(),
        );
        registry.register_with_unit(
            "boot_step_duration",
            "How long a step on the way to a runner took",
            Unit::Seconds,
            counts.step_seconds.clone(),
        );
        registry.register_with_unit(
            "job_wait_duration",
            "From a job's creation until a runner of the fleet began with it",
            Unit::Seconds,
            counts.wait_seconds.clone(),
        );
        now::register(&mut registry, view, context);
        let mut told = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut told, &registry);
        told
    }
}
