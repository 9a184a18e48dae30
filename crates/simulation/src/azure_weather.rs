//! What Azure does to half of all scenarios: it calls machines failed that work, loses tags to policies, has locks and a
//! disabled subscription for a while, takes tokens back, keeps NICs, refuses VMs, and limits how much it is asked.

use std::ops::Range;
use std::time::Duration;

use azlin_simcloud::fault::{CodedRefusal, Fault, FaultKind, Side};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::scenario::ScenarioPart;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How Azure refuses a VM, and for how long a refusal is felt after the last one.
const REFUSALS: [(u16, &str, &str, Duration); 8] = [
    (409, "ZonalAllocationFailed", "There is no capacity in the zone.", WAITED_FOR),
    (409, "SkuNotAvailable", "The size is not available now.", WAITED_FOR),
    (409, "OperationNotAllowed", "The regional quota is used up. Current Limit: 10, In Use: 10", WAITED_FOR),
    (400, "SubnetIsFull", "The subnet has no address left.", WAITED_FOR),
    (429, "TooManyRequests", "Too many requests were sent.", WAITED_FOR),
    (400, "VMSizeNotSupported", "The size does not fit the image.", CLOSED),
    (400, "AvailabilityZoneNotSupported", "The size is not made in the zone.", CLOSED),
    (409, "ScopeLocked", "The scope is locked.", CLOSED),
];
/// The longest wait after a refusal for want of capacity, and a few looks.
const WAITED_FOR: Duration = Duration::from_secs(40 * MINUTE);
/// What Azure never makes is closed for six hours.
const CLOSED: Duration = Duration::from_secs(6 * HOUR + 10 * MINUTE);

/// For how long such a refusal is felt after the last one.
pub fn felt_after(refusal: &CodedRefusal) -> Duration {
    REFUSALS.iter().find(|(_, code, ..)| *code == refusal.code).map_or(CLOSED, |(.., felt)| *felt)
}

/// What Azure does in the scenario of a seed, which has this length; often nothing. It has a random source of its own,
/// so that everything else in the scenario stays as it is.
pub fn azure_weather(seed: u64, length: Duration) -> Vec<ScenarioPart> {
    let mut rng = StdRng::seed_from_u64(!seed.rotate_left(32));
    if !rng.random_bool(0.5) {
        return Vec::new();
    }
    let length = length.as_secs().max(1);
    let days = length.div_ceil(DAY);
    let mut parts = Vec::new();
    if rng.random_bool(0.4) {
        parts.push(ScenarioPart::AzureLimits);
    }
    for _ in 0..rng.random_range(1..=4 * days) {
        let from = rng.random_range(0..length.saturating_sub(20 * MINUTE).max(1));
        let until = (from + rng.random_range(5 * MINUTE..HOUR)).min(length);
        let span = Duration::from_secs(from)..Duration::from_secs(until);
        parts.extend(faults(&mut rng, &span).into_iter().map(ScenarioPart::Fault));
    }
    // Policies put extensions on every VM, all day.
    if rng.random_bool(0.3) {
        let all_day = Duration::ZERO..Duration::from_secs(length);
        parts.push(ScenarioPart::Fault(fault(FaultKind::FailsRunning(None), &all_day, 1.0)));
    }
    parts
}

fn fault(what: FaultKind, span: &Range<Duration>, probability: f64) -> Fault {
    Fault {
        what,
        side: Some(Side::Azure),
        method: None,
        path: None,
        from: span.start,
        until: Some(span.end),
        probability,
        times: None,
    }
}

fn faults(rng: &mut StdRng, span: &Range<Duration>) -> Vec<Fault> {
    let fault = |what, probability| fault(what, span, probability);
    let (often, rare) = (rng.random_range(0.5..1.0), rng.random_range(0.1..0.6));
    match rng.random_range(0..11) {
        0..3 => vec![fault(FaultKind::FailsRunning(None), often)],
        3 => vec![fault(FaultKind::TagsStripped(None), often)],
        4 => vec![fault(FaultKind::TagsStripped(Some("azlin-pool".to_owned())), often)],
        5 => vec![fault(FaultKind::Locked, 1.0)],
        6 => vec![fault(FaultKind::SubscriptionDisabled, 1.0)],
        7 => vec![fault(FaultKind::TokensRevoked, rare)],
        8 | 9 => {
            let (status, code, message, _) = REFUSALS[rng.random_range(0..REFUSALS.len())];
            let refusal = CodedRefusal { status, code: code.to_owned(), message: message.to_owned() };
            let refused = fault(FaultKind::Refused(refusal, None), often);
            vec![Fault {
                method: Some("PUT".to_owned()),
                path: Some("/virtualMachines/".to_owned()),
                ..refused
            }]
        }
        _ => vec![fault(FaultKind::CreateFails(None), often), fault(FaultKind::NicReserved, 1.0)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_all_scenarios_have_some_of_it_and_all_of_it_comes() {
        let day = Duration::from_secs(DAY);
        let all: Vec<Vec<ScenarioPart>> = (0..1000).map(|seed| azure_weather(seed, day)).collect();
        let with = all.iter().filter(|parts| !parts.is_empty()).count();
        assert!((450..550).contains(&with), "{with}");
        let text = format!("{all:?}");
        for what in [
            "AzureLimits",
            "FailsRunning",
            "TagsStripped(None)",
            "TagsStripped(Some",
            "Locked",
            "SubscriptionDisabled",
            "TokensRevoked",
            "NicReserved",
            "Refused",
        ] {
            assert!(text.matches(what).count() > 20, "{what}");
        }
        for (_, code, ..) in REFUSALS {
            assert!(text.contains(code), "{code}");
        }
        for fault in all.iter().flatten() {
            let ScenarioPart::Fault(fault) = fault else { continue };
            let until = fault.until.expect("an end");
            let is_short = until - fault.from <= Duration::from_secs(HOUR);
            let is_lasting = matches!(fault.what, FaultKind::FailsRunning(_));
            assert!(until <= day && (is_short || is_lasting), "{fault:?}");
        }
    }
}
