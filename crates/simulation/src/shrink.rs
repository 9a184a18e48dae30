//! Finds the smallest part of a scenario that still violates its invariant.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use azlin_simcloud::workload::JobCount;

use super::invariants::Invariant;
use super::run::run;
use super::scenario::{Scenario, ScenarioPart};
use super::trace::Trace;

/// Parts of a scenario, by number. An `s` after a number asks for the simpler form of that part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartSelection(BTreeSet<(usize, bool)>);

impl fmt::Display for PartSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word =
            |(number, is_simple): &(usize, bool)| format!("{number}{}", if *is_simple { "s" } else { "" });
        let words: Vec<String> = self.0.iter().map(word).collect();
        f.write_str(if words.is_empty() { "none".to_owned() } else { words.join(",") }.as_str())
    }
}

impl FromStr for PartSelection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |word: &str| {
            let number = word.strip_suffix('s').unwrap_or(word);
            let parsed = number.parse().map_err(|_| format!("\"{word}\" is no part: wanted 12 or 12s"))?;
            Ok((parsed, word.ends_with('s')))
        };
        let words = text.split(',').filter(|word| !word.is_empty() && *word != "none");
        words.map(read).collect::<Result<_, String>>().map(PartSelection)
    }
}

impl PartSelection {
    /// The scenario with these parts only.
    pub fn of(&self, scenario: &Scenario) -> Scenario {
        let selection = |(number, part): &(usize, ScenarioPart)| {
            let is_simple = self.0.contains(&(*number, true));
            if is_simple {
                return Some((*number, part.simpler()));
            }
            self.0.contains(&(*number, false)).then(|| (*number, part.clone()))
        };
        Scenario { parts: scenario.parts.iter().filter_map(selection).collect(), ..scenario.clone() }
    }
}

impl ScenarioPart {
    /// The simpler form of a part.
    fn simpler(&self) -> ScenarioPart {
        match self.clone() {
            ScenarioPart::Jobs(mut arrival) => {
                (arrival.jobs, arrival.then, arrival.held) = (JobCount::Exactly(1), 0, None);
                ScenarioPart::Jobs(arrival)
            }
            ScenarioPart::Fault(mut fault) => {
                fault.probability = 1.0;
                ScenarioPart::Fault(fault)
            }
            ScenarioPart::Crash(mut crash) => {
                crash.points = 0;
                ScenarioPart::Crash(crash)
            }
            part @ (ScenarioPart::Edit(_)
            | ScenarioPart::Clock(_)
            | ScenarioPart::Webhooks(_)
            | ScenarioPart::AzureLimits) => part,
        }
    }
}

/// Removes from a scenario the parts that its violation does not need: first halves, then ever smaller
/// pieces, then single parts. Then simplifies the parts that are left.
pub fn shrink(scenario: &Scenario, invariant: Invariant) -> PartSelection {
    let still_violates = |parts: &[(usize, bool)]| {
        let selection = PartSelection(parts.iter().copied().collect());
        let result = run(&selection.of(scenario), &Trace::default(), None);
        result.violation.is_some_and(|violation| violation.invariant == invariant)
    };
    let mut left: Vec<(usize, bool)> = scenario.parts.iter().map(|(number, _)| (*number, false)).collect();
    let mut piece = left.len().div_ceil(2);
    while piece > 0 && !left.is_empty() {
        let mut at = 0;
        while at < left.len() {
            let rest: Vec<_> = left
                .iter()
                .enumerate()
                .filter(|(n, _)| !(at..at + piece).contains(n))
                .map(|(_, part)| *part)
                .collect();
            if still_violates(&rest) {
                left = rest;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    for at in 0..left.len() {
        left[at].1 = true;
        if !still_violates(&left) {
            left[at].1 = false;
        }
    }
    PartSelection(left.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_written_as_it_is_read() {
        for text in ["none", "0", "3,7s,12"] {
            assert_eq!(
                text.parse::<PartSelection>().map(|selection| selection.to_string()).as_deref(),
                Ok(text)
            );
        }
        assert!("3,x".parse::<PartSelection>().is_err_and(|why| why.contains("\"x\" is no part")));
    }
}
