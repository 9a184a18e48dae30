//! What a rehearsal makes, and what it costs at most.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::config::{Fleet, Method};
use crate::model::{Label, NameError, Offering, Prices, RunnerName, dollars, in_words};

/// How many phases may take `boot_timeout` each: to come online, to drain, to be removed, and until nothing is left.
const PHASES: u32 = 4;
/// When the VM of a rehearsal that was killed powers off.
const DEAD_MANS_SWITCH: Duration = Duration::from_secs(3600);

/// What a rehearsal makes.
#[derive(Debug, Clone, PartialEq)]
pub struct RehearsalPlan {
    /// The fleet, as it is rehearsed: its runner has one label, which no job asks for.
    pub fleet: Fleet,
    /// The name of the VM and of the runner.
    pub runner: RunnerName,
    /// The offerings to try, in this order.
    pub offerings: Vec<Offering>,
    /// The longest time that the VM may exist.
    pub longest: Duration,
    /// The cost of its VM in that time, in dollars, in the most expensive offering whose price is known.
    pub most: Option<f64>,
}

impl RehearsalPlan {
    /// The rehearsal of a fleet. `random` distinguishes it from others of the same second.
    ///
    /// # Errors
    /// A sentence that says why the fleet cannot be rehearsed.
    pub fn of(fleet: &Fleet, prices: &Prices, now: Timestamp, random: u32) -> Result<Self, String> {
        let runner = RunnerName::new(&fleet.name, now, random);
        let label: Label = runner.as_str().parse().map_err(|error: NameError| error.to_string())?;
        let mut fleet = fleet.clone().rehearsed(label);
        let switch = &mut fleet.lifecycle.dead_mans_switch;
        *switch = DEAD_MANS_SWITCH.min(*switch);
        let offerings = fleet.vm.offerings(fleet.vm.spot.is_some());
        let longest = fleet.lifecycle.boot_timeout * PHASES;
        let hours = longest.as_secs_f64() / 3600.0;
        let price = |of: &Offering| prices.hour(&of.size, &of.location, of.spot);
        let most = offerings.iter().filter_map(price).map(|price| price.hour).max();
        let most = most.map(|hour| (hour as f64 * hours).round() / 1e6);
        Ok(RehearsalPlan { fleet, runner, offerings, longest, most })
    }

    /// How long one phase may take.
    pub fn patience(&self) -> Duration {
        self.fleet.lifecycle.boot_timeout
    }

    /// The pause between two looks.
    pub fn pause(&self) -> Duration {
        (self.patience() / 20).clamp(Duration::from_millis(200), Duration::from_secs(5))
    }
}

/// What will be made, where, for how long and for how much.
impl fmt::Display for RehearsalPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RehearsalPlan { fleet, runner, offerings, .. } = self;
        let vm = &fleet.vm;
        let place = offerings.first().map_or(String::new(), |first| format!(", {first}"));
        let more = match offerings.len().saturating_sub(1) {
            0 => String::new(),
            more => format!(" (or, where Azure has none, {more} more of the fleet's places)"),
        };
        let parts = if vm.public_ip {
            "a network interface, a public address and a disk"
        } else {
            "a network interface and a disk"
        };
        let how = match fleet.bootstrap.method {
            Method::CloudInit => "by itself (cloud-init)",
            Method::Ssh => "over SSH",
        };
        writeln!(f, "One VM{place}{more}, with {parts}:")?;
        writeln!(f, "  {runner} in {}, from {}", vm.group, vm.image)?;
        writeln!(f, "One runner of {}, made {how}:", fleet.scope)?;
        writeln!(f, "  {runner}, with that name as its only label, which no job asks for")?;
        let minutes = in_words(self.longest);
        let cost = self.most.map_or_else(
            || "its price is not known here".to_owned(),
            |most| format!("at most {}, and cents for its disk and its address", dollars(most)),
        );
        write!(f, "Both are removed again, after some minutes or {minutes} at most. Cost: {cost}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap;
    use crate::fixture::{at, fleet};

    #[test]
    fn it_says_what_it_makes_and_what_that_costs() {
        let mut prices = Prices::default();
        prices.on_demand.set("westeurope", "Standard_D4s_v5", 240_000);
        let plan = RehearsalPlan::of(&fleet("ci", ""), &prices, at(0), 7).expect("a plan");
        assert_eq!((plan.most, plan.longest), (Some(0.16), Duration::from_secs(2400)));
        insta::assert_snapshot!(plan);
        let unpriced = RehearsalPlan::of(&fleet("ci", ""), &Prices::default(), at(0), 7).expect("a plan");
        assert!(unpriced.to_string().ends_with("Cost: its price is not known here."), "{unpriced}");
    }

    #[test]
    fn no_job_can_ask_for_its_runner_and_its_vm_powers_off_by_itself() {
        let own = fleet("ci", "");
        let plan = RehearsalPlan::of(&own, &Prices::default(), at(0), 7).expect("a plan");
        let labels: Vec<String> = bootstrap::labels(&plan.fleet).iter().map(ToString::to_string).collect();
        assert_eq!(labels, [plan.runner.to_string()]);
        assert_eq!(plan.fleet.lifecycle.dead_mans_switch, DEAD_MANS_SWITCH);
        assert_ne!(plan.fleet.config_hash(), own.config_hash(), "a daemon replaces it");
        assert_eq!((&plan.fleet.name, &plan.fleet.vm), (&own.name, &own.vm), "a daemon finds it");
    }
}
