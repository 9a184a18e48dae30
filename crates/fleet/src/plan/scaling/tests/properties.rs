//! What holds in any situation.

use proptest::prelude::*;

use super::*;

fn any_row() -> impl Strategy<Value = Row> {
    let config = (0_u32..8, 0_u32..20, 1_u32..4, 0_u32..4, 0_u32..4, prop::option::of(0_u32..8)).prop_map(
        |(min, extra, each, up, down, manual)| ScalingConfig {
            jobs_per_runner: each,
            scale_up_threshold: up,
            scale_down_threshold: down,
            manual_count: manual.filter(|count| *count <= min + extra),
            ..config(min, min + extra)
        },
    );
    let load = (0_u32..60, 0_u64..200, 0_u32..12, 0_u32..12, 0_u32..6, any::<bool>());
    let ago = || prop::option::of(0_i64..600);
    let timing = (ago(), any::<bool>(), any::<bool>(), ago(), ago(), 0_u64..600);
    (config, load, timing).prop_map(
        |(
            config,
            (pending, waited, available, busy, draining, partly_known),
            (last_scaling_ago, config_changed, enabled, last_job_ago, lowered_ago, keep_for),
        )| {
            Row {
                config,
                enabled,
                pending,
                waited,
                available,
                busy,
                draining,
                not_removable: draining / 2,
                partly_known,
                last_scaling_ago,
                config_changed,
                keep_for,
                last_job_ago,
                lowered_ago,
            }
        },
    )
}

proptest! {
    #[test]
    fn the_maximum_is_never_exceeded_by_what_is_added(row in any_row()) {
        let found = row.decide();
        if found.action == ScaleUp {
            prop_assert!(found.reason.target + row.busy + row.draining <= row.config.max_runners);
        }
    }

    #[test]
    fn an_action_changes_something_and_says_so(row in any_row()) {
        let found = row.decide();
        match found.action {
            ScaleUp => prop_assert!(found.reason.target > row.available),
            ScaleDown => prop_assert!(found.reason.target < row.available),
            Maintain => {}
        }
        prop_assert_eq!(found.reason.available, row.available);
    }

    #[test]
    fn no_job_starves_where_there_is_room(row in any_row()) {
        let found = row.decide();
        let need = row.pending.div_ceil(row.config.jobs_per_runner);
        let room = row.config.max_runners.saturating_sub(row.busy).saturating_sub(row.draining);
        let is_by_formula = row.enabled && row.config.manual_count.is_none();
        if is_by_formula && row.waited > 60 && row.available < need.min(room) {
            prop_assert_eq!(found.action, ScaleUp);
            prop_assert!(found.reason.target >= need.min(room));
        }
    }

    #[test]
    fn more_than_the_maximum_is_never_kept(row in any_row()) {
        let found = row.decide();
        let keep = row.config.max_runners.saturating_sub(row.busy);
        // Hours that have just lowered it take nothing away at once.
        let is_fresh = row.lowered_ago.is_some_and(|ago| ago < 300)
            && row.enabled
            && row.config.manual_count.is_none();
        if row.available > keep && !is_fresh {
            prop_assert_eq!(found.action, ScaleDown);
            prop_assert!(found.reason.target <= keep);
        }
    }

    #[test]
    fn runners_that_are_going_make_no_other_go(row in any_row()) {
        let without = Row { draining: 0, ..row.clone() };
        if without.decide().action != ScaleDown {
            prop_assert!(row.decide().action != ScaleDown);
        }
    }

    #[test]
    fn the_minimum_is_kept(row in any_row()) {
        let found = row.decide();
        if row.enabled && row.config.manual_count.is_none() && found.action == ScaleDown {
            let keep = row.config.max_runners.saturating_sub(row.busy);
            prop_assert!(found.reason.target >= row.config.min_runners.min(keep));
        }
    }
}
