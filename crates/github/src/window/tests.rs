use super::*;
use tokio::time::advance;

const MINUTE: Duration = Duration::from_secs(60);

/// (seconds after the one before, how much, what is left over for others, how long it waits)
type WindowCase = (u64, u32, u32, u64);

#[tokio::test(start_paused = true)]
async fn it_allows_all_at_once_and_then_waits_for_the_span_to_pass() {
    let tables: [&[WindowCase]; 4] = [
        &[(0, 10, 0, 0), (0, 1, 0, 60), (59, 1, 0, 1), (1, 1, 0, 0)],
        // What others need stays.
        &[(0, 8, 2, 0), (0, 1, 2, 60), (0, 2, 0, 0), (0, 1, 0, 60)],
        // It waits for as much as it needs, and no longer.
        &[(0, 3, 0, 0), (10, 4, 0, 0), (10, 3, 0, 0), (0, 3, 0, 40), (0, 4, 0, 50), (0, 8, 0, 60)],
        // More than is ever allowed goes alone.
        &[(0, 12, 0, 0), (0, 12, 0, 60), (60, 12, 0, 0)],
    ];
    for steps in tables {
        let mut window = Window::new((10, MINUTE));
        for (after, amount, left_over, wait) in steps {
            advance(Duration::from_secs(*after)).await;
            let now = Instant::now();
            let waits = window.wait(*amount, *left_over, now);
            assert_eq!(waits, Duration::from_secs(*wait), "{amount} with {left_over} left over in {steps:?}");
            if waits.is_zero() {
                window.take(*amount, now);
            }
        }
    }
}
