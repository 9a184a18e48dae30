use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::{Duration, sleep};

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_young_enough_serves_and_what_is_not_is_fetched_anew() {
    let flight = SingleFlight::default();
    let began = Instant::now();
    assert_eq!(*flight.get("a", began, async { 1 }).await, 1);
    assert_eq!(*flight.get("a", began, async { 2 }).await, 1);
    assert_eq!(*flight.get("b", began, async { 3 }).await, 3, "keys have nothing to do with each other");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(*flight.get("a", Instant::now(), async { 4 }).await, 4);
    flight.forget(&"a");
    assert_eq!(*flight.get("a", began, async { 5 }).await, 5);
    let mut keys = flight.keys();
    keys.sort_unstable();
    assert_eq!(keys, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_is_under_way_is_waited_for_and_is_as_old_as_its_beginning() {
    let (flight, fetches) = (SingleFlight::default(), AtomicU32::new(0));
    let began = Instant::now();
    let fetch = || async {
        sleep(Duration::from_secs(5)).await;
        fetches.fetch_add(1, Ordering::Relaxed)
    };
    let (one, two) = futures::join!(flight.get("a", began, fetch()), flight.get("a", began, fetch()));
    assert_eq!((*one, *two, fetches.load(Ordering::Relaxed)), (0, 0, 1));
    let after_it_began = began + Duration::from_secs(1);
    assert_eq!(*flight.get("a", after_it_began, fetch()).await, 1);
}
