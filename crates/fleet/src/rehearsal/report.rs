//! What a rehearsal came to, as text: for the terminal, and cleaned as a report.

use std::fmt::Write as _;

use crate::rehearsal::{
    Leftovers, OpenQuestion, RehearsalPlan, RehearsalStep, Sighting, Sightings, StepEnd, StepRecord,
};

/// A rehearsal that has ended.
#[derive(Debug, Clone)]
pub struct Rehearsed {
    /// Its steps, in their order.
    pub steps: Vec<StepRecord>,
    /// Everything that was seen.
    pub sightings: Sightings,
    /// What is left.
    pub left: Leftovers,
}

impl Rehearsed {
    /// Whether every step did what it should and nothing is left.
    pub fn is_good(&self) -> bool {
        self.left.is_empty() && self.steps.iter().all(|step| step.end == StepEnd::Done)
    }

    /// Each question, with what was seen.
    pub fn answers(&self, plan: &RehearsalPlan) -> Vec<(OpenQuestion, Sighting)> {
        OpenQuestion::ALL.map(|question| (question, question.seen(plan, &self.sightings))).to_vec()
    }

    /// What it came to, in one sentence.
    pub fn verdict(&self) -> String {
        let has_failed =
            |step| self.steps.iter().any(|record| record.step == step && record.end == StepEnd::Failed);
        let failed =
            |record: &&StepRecord| record.end == StepEnd::Failed && record.step != RehearsalStep::Verify;
        let was_interrupted = self.steps.iter().any(|record| record.end == StepEnd::Interrupted);
        let what = match self.steps.iter().find(failed) {
            Some(record) => format!("It failed at the step \"{}\"", record.step),
            None if was_interrupted => "It was interrupted".to_owned(),
            None => "It worked: a VM became a runner, drained and is gone".to_owned(),
        };
        let left = match (self.left.is_empty(), has_failed(RehearsalStep::Verify)) {
            (true, false) => "nothing is left",
            (true, true) => "whether parts of the VM are left could not be seen",
            (false, _) => "some of it may be left, see below",
        };
        format!("{what}; {left}.")
    }

    /// Everything, with names and numbers as they are. [`Cleaner`](crate::rehearsal::Cleaner) makes a report of it that
    /// can be shown to others.
    pub fn report(&self, plan: &RehearsalPlan, version: &str) -> String {
        let mut text =
            format!("Rehearsal by azlin {version} (azlin github-runner check --try)\n\n{plan}\n\n");
        for StepRecord { step, end, told, took } in &self.steps {
            let end = match end {
                StepEnd::Done => "done",
                StepEnd::Failed => "FAILED",
                StepEnd::Interrupted => "interrupted",
            };
            let _ = writeln!(text, "{step:<12}  {:>6.1} s  {end}: {told}", took.as_secs_f64());
        }
        let _ = writeln!(text, "\n{}\n\nWhat Azure and GitHub showed:", self.verdict());
        for (question, sighting) in self.answers(plan) {
            let _ = writeln!(text, "- {question}: {sighting}");
        }
        if !self.left.is_empty() {
            let _ = write!(text, "\nLeft, to be removed by hand:\n{}", self.left);
        }
        text
    }
}

#[cfg(test)]
mod tests;
