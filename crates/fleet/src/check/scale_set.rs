//! The checks of a fleet with a runner scale set.

use std::time::Duration;

use super::Notes;
use super::facts::Facts;
use crate::config::{Fleet, wanted_set};
use crate::model::{Label, Scope, in_words};
use crate::ports::preflight::TokenKind;

/// GitHub takes a job back that no runner of the set takes within this time, and fails it after three such times.
const ASSIGNMENT_LASTS: Duration = Duration::from_secs(5 * 60);

pub(super) fn check(notes: &mut Notes, fleet: &Fleet, facts: &Facts) {
    let Some(wanted) = wanted_set(fleet) else { return };
    let labels: Vec<&str> = wanted.labels.iter().map(Label::as_str).collect();
    notes.ok(
        "scale set",
        format!("{} in {}, with the labels {}", wanted.name, wanted.scope, labels.join(", ")),
    );
    let boot = fleet.lifecycle.boot_timeout;
    if boot > ASSIGNMENT_LASTS {
        let found = format!(
            "boot_timeout is {}, and GitHub takes a job back that no runner takes within {}: a start that hangs costs the job \
             one of its three times",
            in_words(boot),
            in_words(ASSIGNMENT_LASTS)
        );
        let cure = "set lifecycle.boot_timeout = \"4m\", or what a start takes and a minute more; [warm] keep_for and \
                    min_runners keep runners ready";
        notes.warning("scale set: boot_timeout", found, cure);
    }
    if matches!(fleet.scope, Scope::Enterprise(_)) && !may_serve_an_enterprise(fleet, facts) {
        let found = "neither a GitHub App nor a fine-grained token can have scale sets of an enterprise";
        notes.problem("scale set: credential", found, "use a classic token with manage_runners:enterprise");
    }
}

/// Whether the credential is of a kind that can have an enterprise's scale sets, as far as that is known.
fn may_serve_an_enterprise(fleet: &Fleet, facts: &Facts) -> bool {
    let found = match &fleet.credential {
        None => facts.github.as_ref(),
        Some(name) => facts.credentials.get(name),
    };
    let Some(Ok(github)) = found else { return true };
    let kind = github.credential.as_ref().map(|credential| credential.kind);
    !matches!(kind, Ok(TokenKind::App | TokenKind::FineGrained | TokenKind::Installation))
}

#[cfg(test)]
mod tests {
    use super::super::About;
    use super::*;
    use crate::check::fixture;
    use crate::fixture::fleet_with;

    #[test]
    fn a_start_that_is_slower_than_github_waits_is_warned_of() {
        let found = |lifecycle: &str| {
            let top = format!("[demand]\nsource = \"scale-set\"\n[lifecycle]\n{lifecycle}");
            let fleet = fleet_with("ci", &top, "");
            let mut notes = Notes::new(About::Fleet(fleet.name.clone()));
            check(&mut notes, &fleet, &fixture::account(&fleet));
            notes.list.into_iter().map(|finding| finding.what).collect::<Vec<_>>()
        };
        assert_eq!(found(""), ["scale set", "scale set: boot_timeout"]);
        assert_eq!(found("boot_timeout = \"4m\""), ["scale set"]);
    }
}
