//! Years of weather in seconds: the real loop against the simulated clouds, in virtual time.
//!
//! `AZLIN_SEED=7 cargo test -p azlin-tests --test simulation` runs one seed again, with the journal;
//! `AZLIN_SEEDS=1000` runs more of them.

#![allow(clippy::print_stderr, clippy::unwrap_used)]

use azlin_tests::simulation::{Outcome, run};

fn simulate(seed: u64) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run(seed))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn no_job_is_killed_or_starved_and_nothing_leaks_whatever_fails() {
    let seeds = match number("AZLIN_SEED") {
        Some(seed) => {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::DEBUG)
                .with_writer(std::io::stderr)
                .init();
            seed..seed + 1
        }
        None => 0..number("AZLIN_SEEDS").unwrap_or(60),
    };
    let mut failed = Vec::new();
    for seed in seeds {
        let Outcome { report, broken } = simulate(seed);
        for what in &broken {
            eprintln!("seed {seed}: {what}");
        }
        if !broken.is_empty() {
            eprintln!(
                "{report:#?}\nagain: AZLIN_SEED={seed} cargo test -p azlin-tests --test simulation -- --nocapture"
            );
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "these seeds failed: {failed:?}");
}

#[test]
fn one_seed_is_always_the_same_world() {
    let (once, again) = (simulate(7), simulate(7));
    assert_eq!(once.report, again.report);
}
