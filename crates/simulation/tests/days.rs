//! Simulated days in which every promise is kept. Many more by command: `cargo xtask simulate --help`.

use azlin_simulation::{Outcome, Trace, play, scenario};

/// A day of each, in which every promise is kept.
#[test]
fn a_day_of_these_seeds_breaks_no_promise() {
    for seed in 0..20 {
        let Outcome { breach, .. } = play(&scenario(seed, 1.0), &Trace::default(), None);
        let again = format!("cargo xtask simulate --from {seed} --seeds 1 --minimise");
        assert_eq!(breach, None, "again: {again}");
    }
}
