//! The report as people read it.

use std::time::Duration;

use super::*;
use crate::fixture::{at, fleet};
use crate::model::Prices;
use crate::rehearsal::Cleaner;

fn plan() -> RehearsalPlan {
    RehearsalPlan::of(&fleet("ci", ""), &Prices::default(), at(0), 7).expect("a plan")
}

fn rehearsed(steps: &[(RehearsalStep, StepEnd)]) -> Rehearsed {
    let plan = plan();
    let record = |(step, end): &(RehearsalStep, StepEnd)| StepRecord {
        step: *step,
        end: *end,
        told: format!("{} in rg", plan.runner),
        took: Duration::from_millis(12_340),
    };
    let (fleet, runner) = (plan.fleet.clone(), plan.runner.clone());
    let left = Leftovers::none(runner, fleet.vm.group, fleet.scope);
    Rehearsed { steps: steps.iter().map(record).collect(), sightings: Sightings::default(), left }
}

#[test]
fn what_it_came_to_is_one_sentence() {
    use RehearsalStep::{Create, Online, Remove, Verify};
    use StepEnd::{Done, Failed, Interrupted};
    for (steps, is_left, expected, is_good) in [
        (
            &[(Create, Done), (Verify, Done)][..],
            false,
            "It worked: a VM became a runner, drained and is gone; nothing is left.",
            true,
        ),
        (
            &[(Create, Done), (Online, Failed), (Verify, Done)],
            false,
            "It failed at the step \"online\"; nothing is left.",
            false,
        ),
        (&[(Online, Interrupted), (Remove, Done)], false, "It was interrupted; nothing is left.", false),
        (
            &[(Create, Done), (Verify, Failed)],
            true,
            "It worked: a VM became a runner, drained and is gone; some of it may be left, see below.",
            false,
        ),
    ] {
        let mut rehearsed = rehearsed(steps);
        rehearsed.left.vm = is_left;
        assert_eq!((rehearsed.verdict().as_str(), rehearsed.is_good()), (expected, is_good));
    }
}

#[test]
fn a_report_shows_all_and_cleaned_no_name() {
    let mut rehearsed =
        rehearsed(&[(RehearsalStep::Create, StepEnd::Done), (RehearsalStep::Verify, StepEnd::Failed)]);
    rehearsed.left.vm = true;
    let report = rehearsed.report(&plan(), "1.2.3");
    insta::assert_snapshot!(Cleaner::of(&plan(), &[]).clean(&report));
}
