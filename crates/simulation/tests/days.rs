//! Simulated days without a violation. `cargo xtask simulate` runs many more.

use azlin_simulation::{RunResult, Trace, generate, run};

/// One day of each of these seeds.
#[test]
fn a_day_of_these_seeds_violates_no_invariant() {
    for seed in 0..20 {
        let RunResult { violation, .. } = run(&generate(seed, 1.0), &Trace::default(), None);
        let again = format!("cargo xtask simulate --from {seed} --seeds 1 --minimise");
        assert_eq!(violation, None, "again: {again}");
    }
}

/// Days that once violated an invariant, and why.
#[test]
fn a_day_of_these_seeds_no_longer_violates_an_invariant() {
    let days = [
        (115, "a VM that a policy took a tag from was not asked over SSH to drain, though its key was known"),
        (
            2309,
            "an entry that stays busy took the room of the next runner, though Azure had no such VM any more",
        ),
        (518, "an offer of a scale set whose message was lost was never acquired"),
        (
            66,
            "with an old state file a start from standby was taken for a boot of hours, and hours began that early",
        ),
        (178, "with a short budget a full fleet took up its backlog at the next poll, not when it had room"),
    ];
    for (seed, once) in days {
        let RunResult { violation, .. } = run(&generate(seed, 1.0), &Trace::default(), None);
        let again = format!("cargo xtask simulate --from {seed} --seeds 1 --minimise");
        assert_eq!(violation, None, "again: {again}; once {once}");
    }
}

/// Weeks that once violated an invariant, and why.
#[test]
fn a_week_of_these_seeds_no_longer_violates_an_invariant() {
    let weeks = [
        (1057, "a clock set ahead by more than lists lag made the daemon forget what it had just asked for"),
        (2527, "the simulator allowed clocks ten minutes, where one from behind to ahead makes 20"),
        (3804, "the same, in a fleet whose runners are installed over SSH"),
    ];
    for (seed, once) in weeks {
        let RunResult { violation, .. } = run(&generate(seed, 7.0), &Trace::default(), None);
        let again = format!("cargo xtask simulate --from {seed} --seeds 1 --days 7 --minimise");
        assert_eq!(violation, None, "again: {again}; once {once}");
    }
}
