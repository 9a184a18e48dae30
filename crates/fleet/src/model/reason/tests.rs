//! What holds for the sentences of all reasons.

use proptest::prelude::*;

use super::*;

/// Words that follow a count of one and end in s without being a plural.
const VERBS: [&str; 4] = ["is", "was", "has", "takes"];

/// What is wrong with a sentence, if anything is: a plural of one, or a duration in another spelling.
fn fault(sentence: &str) -> Option<String> {
    let words: Vec<&str> = sentence.split_whitespace().map(|word| word.trim_start_matches('(')).collect();
    let plural = words.windows(2).find(|pair| {
        let [count, noun] = pair else { return false };
        let noun = noun.trim_end_matches(|c: char| !c.is_alphanumeric());
        *count == "1"
            && noun.ends_with('s')
            && noun.chars().all(char::is_alphabetic)
            && !VERBS.contains(&noun)
    });
    let is_duration = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_digit())
            && word.chars().filter(|c| "dhms".contains(*c)).count() > 1
            && word.chars().all(|c| c.is_ascii_digit() || "dhms".contains(c))
    };
    let bare = words.iter().map(|word| word.trim_end_matches(|c: char| !c.is_alphanumeric()));
    let glued = bare.into_iter().find(|word| is_duration(word));
    plural.map(|pair| pair.join(" ")).or(glued.map(str::to_owned))
}

fn causes() -> impl Strategy<Value = ScalingCause> {
    let seconds = |most: u64| (0..most).prop_map(Duration::from_secs);
    let job = || {
        (0u64..3, 0..200_000u64).prop_map(|(id, waited)| WaitingJob {
            id: JobId(id),
            name: "build".into(),
            waited: Duration::from_secs(waited),
        })
    };
    prop_oneof![
        (0..4u32).prop_map(|threshold| ScalingCause::Short { threshold }),
        Just(ScalingCause::Over),
        (job(), seconds(9000))
            .prop_map(|(oldest, max_queue_wait)| ScalingCause::JobStarves { oldest, max_queue_wait }),
        (0..4u32).prop_map(|min_runners| ScalingCause::Minimum { min_runners }),
        (0..4u32).prop_map(|count| ScalingCause::Manual { count }),
        Just(ScalingCause::Disabled),
        Just(ScalingCause::Enough),
        (0..4u32, seconds(9000), proptest::option::of(job())).prop_map(
            |(threshold, max_queue_wait, oldest)| {
                ScalingCause::ShortWithinThreshold { threshold, max_queue_wait, oldest }
            }
        ),
        (0..4u32).prop_map(|threshold| ScalingCause::OverWithinThreshold { threshold }),
        (seconds(9000), seconds(9000)).prop_map(|(cooldown, left)| ScalingCause::Cooldown { cooldown, left }),
        (seconds(9000), seconds(9000)).prop_map(|(keep_for, left)| ScalingCause::KeptWarm { keep_for, left }),
        Just(ScalingCause::OverMaximum),
        Just(ScalingCause::AtMaximum),
        (1..4u32).prop_map(|vms| ScalingCause::CannotRemove { vms }),
        Just(ScalingCause::PartlyKnown),
    ]
}

proptest! {
    #[test]
    fn one_is_no_plural_and_durations_have_one_spelling(
        cause in causes(),
        (pending_jobs, needed, available, busy) in (0..3u32, 0..3u32, 0..3u32, 0..3u32),
        (draining, max_runners, target, partly_known) in (0..3u32, 0..3u32, 0..3u32, any::<bool>()),
    ) {
        let reason = ScalingReason {
            preparing: 0,
            pending_jobs, partly_known, needed, available, busy, draining, max_runners, target, cause,
        };
        let sentence = reason.to_string();
        prop_assert_eq!(fault(&sentence), None, "{}", sentence);
        // The point is first: what brackets hold are the numbers behind it.
        prop_assert!(!sentence.starts_with('('), "{}", sentence);
    }
}

#[test]
fn the_faults_are_found() {
    for (sentence, found) in [
        ("1 jobs queued", Some("1 jobs")),
        ("1 job queued (1 of 1 runners; 1 busy)", Some("1 runners;")),
        ("waits for 2m43s", Some("2m43s")),
        ("1 is idle, 2 jobs wait for 2m 43s", None),
    ] {
        assert_eq!(fault(sentence).as_deref(), found, "{sentence}");
    }
}
